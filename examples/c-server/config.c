/* config.c: reads the file described in config.h. A number has a range, a word must be known; nothing is
 * guessed. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct reader {
  struct config *config;
  const char *path;
  char *directory; /* of the file, with its slash; may be empty */
  unsigned line;
  bool failed;
};

__attribute__((format(printf, 2, 3))) static void mistake(struct reader *reader, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log_error("%s:%u: %s", reader->path, reader->line, text);
  reader->failed = true;
}

/* A number with one of the units, for example 64k. */
static bool number(const char *text, const char *units, uint64_t low, uint64_t high, uint64_t *out) {
  char *end;
  errno = 0;
  if (*text < '0' || *text > '9') return false;
  uint64_t value = strtoull(text, &end, 10), factor = 1;
  if (*end && strchr(units, *end)) {
    factor = *end == 'k' ? 1u << 10 : *end == 'm' ? 1u << 20 : *end == 'g' ? 1u << 30 : 1;
    end++;
  }
  if (errno || *end || value > UINT64_MAX / factor || value * factor < low || value * factor > high)
    return false;
  *out = value * factor;
  return true;
}

static void set_unsigned(struct reader *reader, const char *word, const char *value, const char *units,
                         unsigned high, unsigned *out) {
  uint64_t n;
  if (number(value, units, 1, high, &n))
    *out = (unsigned)n;
  else
    mistake(reader, "%s: expected a number from 1 to %u, not \"%s\"", word, high, value);
}

/* A time with its unit, for example 2ms, in nanoseconds. */
static bool duration(const char *text, uint64_t *out) {
  static const struct {
    const char *unit;
    uint64_t ns;
  } units[] = {{"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
  size_t digits = strspn(text, "0123456789");
  char copy[16];
  uint64_t value;
  if (digits == 0 || digits >= sizeof copy) return false;
  memcpy(copy, text, digits);
  copy[digits] = 0;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (strcmp(text + digits, units[i].unit) == 0 &&
        number(copy, "", 1, 3600000000000 / units[i].ns, &value)) {
      *out = value * units[i].ns;
      return true;
    }
  return false;
}

/* An IPv4 address and a port. */
static bool address_and_port(const char *value, uint64_t low, char *name, size_t size,
                             struct sockaddr_in *out) {
  const char *colon = strrchr(value, ':');
  uint64_t port;
  size_t length = colon ? (size_t)(colon - value) : 0;
  if (!colon || length >= size || !number(colon + 1, "", low, 65535, &port)) return false;
  memcpy(name, value, length);
  name[length] = 0;
  *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  return inet_pton(AF_INET, name, &out->sin_addr) == 1;
}

static void set_listen(struct reader *reader, const char *value) {
  struct config *config = reader->config;
  struct sockaddr_in address;
  if (address_and_port(value, 0, config->address, sizeof config->address, &address))
    config->port = ntohs(address.sin_port);
  else
    mistake(reader, "listen: expected an IPv4 address and port, like 127.0.0.1:8080, not \"%s\"", value);
}

/* The file's name, seen from where the server runs; NULL: no memory. */
static char *resolve(const struct reader *reader, const char *name) {
  const char *directory = *name == '/' ? "" : reader->directory;
  size_t length = strlen(directory) + strlen(name) + 1;
  char *path = malloc(length);
  if (path) snprintf(path, length, "%s%s", directory, name);
  return path;
}

static void set_access_log(struct reader *reader, const char *value) {
  free(reader->config->access_log);
  bool plain = strcmp(value, "-") == 0 || strcmp(value, "off") == 0;
  reader->config->access_log = plain ? strdup(value) : resolve(reader, value);
  if (!reader->config->access_log) mistake(reader, "no memory");
}

static void route_fetch(struct reader *reader, struct route *route, const char *value) {
  char address[32];
  if (strlen(value) < sizeof route->upstream_name &&
      address_and_port(value, 1, address, sizeof address, &route->upstream))
    strcpy(route->upstream_name, value);
  else
    mistake(reader, "route: fetch: expected an IPv4 address and port, not \"%s\"", value);
}

static void route_option(struct reader *reader, struct route *route, char *word) {
  const struct {
    const char *name;
    uint64_t *size, *time;
  } options[] = {{"memory", &route->memory, NULL},     {"body", &route->body, NULL},
                 {"response", &route->response, NULL}, {"cpu", NULL, &route->cpu_ns},
                 {"slice", NULL, &route->slice_ns},    {"wall", NULL, &route->wall_ns}};
  char *value = strchr(word, '=');
  if (!value) {
    mistake(reader, "route: expected an option with =, not \"%s\"", word);
    return;
  }
  *value++ = 0;
  if (strcmp(word, "fetch") == 0) {
    route_fetch(reader, route, value);
    return;
  }
  if (strcmp(word, "config") == 0) {
    if (snprintf(route->config, sizeof route->config, "%s", value) >= (int)sizeof route->config)
      mistake(reader, "route: config: at most %zu bytes", sizeof route->config - 1);
    return;
  }
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    if (strcmp(word, options[i].name) != 0) continue;
    if (options[i].size && !number(value, "kmg", 0, UINT64_C(1) << 32, options[i].size))
      mistake(reader, "route: %s: expected a size up to 4g, not \"%s\"", word, value);
    if (options[i].time && !duration(value, options[i].time))
      mistake(reader, "route: %s: expected a time like 2ms, not \"%s\"", word, value);
    return;
  }
  mistake(reader,
          "route: expected memory=, body=, response=, cpu=, slice=, wall=, fetch= or config=, not \"%s\"",
          word);
}

static void add_route(struct reader *reader, char *path, char **rest) {
  struct config *config = reader->config;
  char *file = strtok_r(NULL, " \t", rest), *word;
  if (path[0] != '/' || !file) {
    mistake(reader, "route: expected a path that starts with '/' and a guest's file");
    return;
  }
  for (size_t i = 0; i < config->route_count; i++)
    if (strcmp(config->routes[i].path, path) == 0)
      mistake(reader, "route: there is already one for %s", path);
  if (config->route_count == CONFIG_MAX_ROUTES) {
    mistake(reader, "route: there are %d already", CONFIG_MAX_ROUTES);
    return;
  }
  struct route *route = &config->routes[config->route_count++];
  *route = (struct route){.path = strdup(path),
                          .file = resolve(reader, file),
                          .path_length = strlen(path),
                          .memory = 16u << 20,
                          .body = 1u << 20,
                          .response = 8u << 20,
                          .cpu_ns = 1000000000,
                          .slice_ns = 2000000,
                          .wall_ns = UINT64_C(10000000000)};
  if (!route->path || !route->file) mistake(reader, "no memory");
  while ((word = strtok_r(NULL, " \t", rest)))
    route_option(reader, route, word);
  if (route->slice_ns < 100000) mistake(reader, "route: slice: 100us at least");
  if (route->cpu_ns && route->cpu_ns < 200000) mistake(reader, "route: cpu: 200us at least");
}

static void set(struct reader *reader, const char *word, char *value, char **rest) {
  struct config *config = reader->config;
  uint64_t stack;
  if (strcmp(word, "route") == 0) {
    add_route(reader, value, rest);
    return;
  }
  if (strcmp(word, "listen") == 0)
    set_listen(reader, value);
  else if (strcmp(word, "threads") == 0)
    set_unsigned(reader, word, value, "", 64, &config->threads);
  else if (strcmp(word, "instances") == 0)
    set_unsigned(reader, word, value, "", 10000, &config->instances);
  else if (strcmp(word, "connections") == 0)
    set_unsigned(reader, word, value, "", 100000, &config->connections);
  else if (strcmp(word, "idle") == 0)
    set_unsigned(reader, word, value, "s", 3600, &config->idle_seconds);
  else if (strcmp(word, "drain") == 0)
    set_unsigned(reader, word, value, "s", 3600, &config->drain_seconds);
  else if (strcmp(word, "access-log") == 0)
    set_access_log(reader, value);
  else if (strcmp(word, "stack") != 0)
    mistake(reader, "\"%s\" is not a setting", word);
  else if (number(value, "km", 16u << 10, 64u << 20, &stack))
    config->stack = stack;
  else
    mistake(reader, "stack: expected a size from 16k to 64m, not \"%s\"", value);
  if ((value = strtok_r(NULL, " \t", rest))) mistake(reader, "%s: \"%s\" is one word too many", word, value);
}

static void read_lines(struct reader *reader, FILE *file) {
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, file) >= 0) {
    char *rest, *word, *value;
    reader->line++;
    line[strcspn(line, "#\r\n")] = 0;
    if (!(word = strtok_r(line, " \t", &rest))) continue;
    if ((value = strtok_r(NULL, " \t", &rest)))
      set(reader, word, value, &rest);
    else
      mistake(reader, "%s: a value is missing", word);
  }
  free(line);
}

bool config_read(struct config *config, const char *path) {
  struct reader reader = {config, path, NULL, 0, false};
  const char *slash = strrchr(path, '/');
  *config = (struct config){.address = "127.0.0.1",
                            .port = 8080,
                            .threads = 2,
                            .instances = 64,
                            .connections = 1024,
                            .idle_seconds = 30,
                            .drain_seconds = 10,
                            .stack = 128u << 10};
  FILE *file = fopen(path, "re");
  if (!file) {
    log_error("%s: %s", path, strerror(errno));
    return false;
  }
  reader.directory = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
  config->access_log = strdup("-");
  if (reader.directory && config->access_log)
    read_lines(&reader, file);
  else
    mistake(&reader, "no memory");
  if (ferror(file)) mistake(&reader, "cannot be read");
  if (!reader.failed && config->route_count == 0) mistake(&reader, "there is no route");
  fclose(file);
  free(reader.directory);
  return !reader.failed;
}

void config_free(struct config *config) {
  for (size_t i = 0; i < config->route_count; i++) {
    free(config->routes[i].path);
    free(config->routes[i].file);
  }
  free(config->access_log);
}

int config_route(const struct config *config, struct text path) {
  int best = -1;
  for (size_t i = 0; i < config->route_count; i++) {
    const struct route *route = &config->routes[i];
    size_t n = route->path_length;
    if (path.length < n || memcmp(path.data, route->path, n) != 0) continue;
    bool whole = path.length == n || path.data[n] == '/' || route->path[n - 1] == '/';
    if (whole && (best < 0 || n > config->routes[best].path_length)) best = (int)i;
  }
  return best;
}
