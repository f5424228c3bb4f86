/* stats.c: see stats.h. Numbers are read one by one while others change them: each is right, their sum may be
 * in between two requests. The response to /-/stats itself is counted after it was made. */
#include "stats.h"

#include <stdio.h>

#include "log.h"

struct number {
  const char *name;
  unsigned long long value;
};

enum { SERVER_NUMBERS = 9, REGION_NUMBERS = 10, GUEST_NUMBERS = 7 };

void stats_answered(struct stats *stats, int status) {
  atomic_fetch_add(&stats->by_class[status >= 100 && status < 600 ? status / 100 : 5], 1);
  atomic_fetch_add(&stats->requests, 1);
}

static void server_numbers(struct stats *stats, struct number *n) {
  n[0] = (struct number){"requests", atomic_load(&stats->requests)};
  n[1] = (struct number){"status_2xx", atomic_load(&stats->by_class[2])};
  n[2] = (struct number){"status_3xx", atomic_load(&stats->by_class[3])};
  n[3] = (struct number){"status_4xx", atomic_load(&stats->by_class[4])};
  n[4] = (struct number){"status_5xx", atomic_load(&stats->by_class[5])};
  n[5] = (struct number){"connections", atomic_load(&stats->connections)};
  n[6] = (struct number){"reloads", atomic_load(&stats->reloads)};
  n[7] = (struct number){"reload_failures", atomic_load(&stats->reload_failures)};
  n[8] = (struct number){"open", atomic_load(&stats->open)};
}

static void region_numbers(const lucet_region_stats *region, struct number *n) {
  n[0] = (struct number){"capacity", region->capacity};
  n[1] = (struct number){"live", region->live};
  n[2] = (struct number){"created", region->created};
  n[3] = (struct number){"reset", region->reset};
  n[4] = (struct number){"released", region->released};
  n[5] = (struct number){"trapped", region->trapped};
  n[6] = (struct number){"terminated", region->terminated};
  n[7] = (struct number){"resident_bytes", region->resident_bytes};
  n[8] = (struct number){"reserved_bytes", region->reserved_bytes};
  n[9] = (struct number){"waiting", region->waiting};
}

static void json_object(struct buffer *out, const char *name, const struct number *numbers, size_t count) {
  buffer_print(out, "  \"%s\": {", name);
  for (size_t i = 0; i < count; i++)
    buffer_print(out, "%s\"%s\": %llu", i ? ", " : "", numbers[i].name, numbers[i].value);
  buffer_print(out, "},\n");
}

static void json_traps(struct buffer *out, const lucet_region_stats *region) {
  const char *separator = "";
  buffer_print(out, "  \"traps\": {");
  for (unsigned i = 0; i < sizeof region->traps / sizeof region->traps[0]; i++) {
    if (region->traps[i] == 0) continue;
    buffer_print(out, "%s\"%s\": %llu", separator, lucet_trap_name(i), (unsigned long long)region->traps[i]);
    separator = ", ";
  }
  buffer_print(out, "},\n");
}

static void guest_numbers(struct guest *guest, struct number *n) {
  n[0] = (struct number){"runs", atomic_load(&guest->runs)};
  n[1] = (struct number){"returned", atomic_load(&guest->returned)};
  n[2] = (struct number){"trapped", atomic_load(&guest->trapped)};
  n[3] = (struct number){"terminated", atomic_load(&guest->terminated)};
  n[4] = (struct number){"refused", atomic_load(&guest->refused)};
  n[5] = (struct number){"aborted", atomic_load(&guest->aborted)}; /* the client has gone */
  n[6] = (struct number){"slices", atomic_load(&guest->slices)};
}

/* The route as it is in the configuration: escapes of the log are not JSON's, so it must be plain. */
static void json_guest(struct buffer *out, struct guest *guest, const char *separator) {
  struct number numbers[GUEST_NUMBERS];
  struct code *code = guest_acquire(guest);
  guest_numbers(guest, numbers);
  buffer_print(out, "%s    {\"route\": \"", separator);
  for (const char *c = guest->route->path; *c; c++)
    if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
      buffer_print(out, "\\u%04x", (unsigned)*c);
    else
      buffer_append(out, c, 1);
  buffer_print(out, "\", \"build_id\": \"%s\"", lucet_module_build_id(code->module));
  for (size_t i = 0; i < GUEST_NUMBERS; i++)
    buffer_print(out, ", \"%s\": %llu", numbers[i].name, numbers[i].value);
  buffer_print(out, "}");
  code_release(code);
}

bool stats_json(struct stats *stats, struct guests *guests, struct buffer *out) {
  lucet_region_stats region = lucet_region_stats_default();
  struct number server[SERVER_NUMBERS], slots[REGION_NUMBERS];
  if (lucet_region_get_stats(guests->region, &region) != LUCET_OK) return false;
  server_numbers(stats, server);
  region_numbers(&region, slots);
  buffer_print(out, "{\n");
  json_object(out, "server", server, SERVER_NUMBERS);
  json_object(out, "region", slots, REGION_NUMBERS);
  json_traps(out, &region);
  buffer_print(out, "  \"guests\": [\n");
  for (size_t i = 0; i < guests->count; i++)
    json_guest(out, &guests->all[i], i ? ",\n" : "");
  return buffer_print(out, "\n  ]\n}\n");
}

bool stats_text(struct stats *stats, struct guests *guests, struct buffer *out) {
  lucet_region_stats region = lucet_region_stats_default();
  struct number numbers[SERVER_NUMBERS > REGION_NUMBERS ? SERVER_NUMBERS : REGION_NUMBERS];
  if (lucet_region_get_stats(guests->region, &region) != LUCET_OK) return false;
  server_numbers(stats, numbers);
  for (size_t i = 0; i < SERVER_NUMBERS; i++)
    buffer_print(out, "server.%s %llu\n", numbers[i].name, numbers[i].value);
  region_numbers(&region, numbers);
  for (size_t i = 0; i < REGION_NUMBERS; i++)
    buffer_print(out, "region.%s %llu\n", numbers[i].name, numbers[i].value);
  unsigned long long runs = 0;
  for (size_t i = 0; i < guests->count; i++) {
    guest_numbers(&guests->all[i], numbers);
    runs += numbers[0].value;
    for (size_t k = 0; k < GUEST_NUMBERS; k++)
      buffer_print(out, "guest%s.%s %llu\n", guests->all[i].route->path, numbers[k].name, numbers[k].value);
  }
  return buffer_print(out, "guests.runs %llu\n", runs);
}
