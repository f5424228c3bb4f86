/* client.c: a small HTTP client for demo.sh and test.sh, so that they need no curl. Not part of the server.
 * Loopback only; it trusts the server to be well behaved, but not to answer: nothing takes longer than 20
 * seconds.
 *
 *   client PORT request METHOD TARGET [-i] [-H "Name: value"]... [-d FILE] [-p MS]
 *       prints "STATUS MICROSECONDS", with -i the head, then the body. -p: pauses in the middle of the body.
 *   client PORT raw [-1] [-o]
 *       sends standard input as it is (-1: byte by byte), closes its side (-o: does not), prints all it gets.
 *   client PORT load TARGET COUNT CONNECTIONS [-d FILE] [-e FILE] [-l]
 *       COUNT requests over CONNECTIONS threads with keep-alive; prints "STATUS COUNT" lines and, if there
 * are any, "broken COUNT" (no whole response) and with -e "different COUNT" (another body than FILE's). -l:
 * also "p50 US", "p99 US" and "max US", how long a request took in microseconds. client PORT leave TARGET
 * COUNT MS COUNT requests at the same time, from clients that go away after MS without having read. client 0
 * answer FILE a server on a free port, which it prints: answers every connection with the bytes of FILE and
 * closes it. Empty: never answers. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"

struct options {
  uint16_t port;
  const char *method, *target;
  struct buffer headers, body, expected;
  bool has_body, has_expected, show_head, bytewise, stay_open, measure;
  unsigned pause_ms, connections;
  atomic_long left, broken, different, measured;
  uint32_t *times; /* of each request, in microseconds; NULL: not wanted */
  atomic_long statuses[600];
};

struct response {
  int status;
  size_t head;   /* bytes of the head */
  size_t length; /* of the body */
  bool last;
};

static void die(const char *what) {
  fprintf(stderr, "client: %s\n", what);
  exit(2);
}

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int dial(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval limit = {.tv_sec = 20};
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

static bool send_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    length -= (size_t)n;
  }
  return true;
}

static void read_file(const char *path, struct buffer *out) {
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  if (!file) die("cannot open the file");
  do {
    if (!buffer_reserve(out, 65536)) die("no memory");
    out->length += fread(out->data + out->length, 1, 65536, file);
  } while (!feof(file) && !ferror(file));
  if (file != stdin) fclose(file);
}

/* The value of a header in a head that ends with an empty line. */
static const char *find_header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') return line + 3 + length;
  return NULL;
}

/* Receives one whole response into the buffer. */
static bool receive(int fd, const char *method, struct buffer *in, struct response *response) {
  char *end = NULL;
  *response = (struct response){0};
  for (;;) {
    if (!buffer_reserve(in, 65537)) die("no memory");
    ssize_t n = recv(fd, in->data + in->length, 65536, 0);
    if (n <= 0) return false;
    in->length += (size_t)n;
    in->data[in->length] = 0;
    while (!response->head && (end = strstr(in->data, "\r\n\r\n"))) {
      response->head = (size_t)(end - in->data) + 4;
      if (sscanf(in->data, "HTTP/1.1 %3d", &response->status) != 1) return false;
      if (response->status != 100) break;
      buffer_consume(in, response->head);
      response->head = 0;
      in->data[in->length] = 0;
    }
    if (!response->head) continue;
    const char *length = find_header(in->data, "Content-Length"), *last = find_header(in->data, "Connection");
    response->length = length && strcmp(method, "HEAD") != 0 ? (size_t)strtoull(length, NULL, 10) : 0;
    response->last = last && strncmp(last, " close", 6) == 0;
    if (in->length >= response->head + response->length)
      return in->length == response->head + response->length;
  }
}

static bool send_request(int fd, const struct options *options) {
  struct buffer out = {0};
  size_t half = options->body.length / 2;
  buffer_print(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%.*s", options->method, options->target,
               (int)options->headers.length, options->headers.data ? options->headers.data : "");
  if (options->has_body) buffer_print(&out, "Content-Length: %zu\r\n", options->body.length);
  if (!buffer_print(&out, "\r\n")) die("no memory");
  bool good = send_all(fd, out.data, out.length);
  if (good && options->has_body && options->pause_ms) {
    struct timespec pause = {options->pause_ms / 1000, (long)(options->pause_ms % 1000) * 1000000};
    good = send_all(fd, options->body.data, half);
    nanosleep(&pause, NULL);
    good = good && send_all(fd, options->body.data + half, options->body.length - half);
  } else if (good && options->has_body) {
    good = send_all(fd, options->body.data, options->body.length);
  }
  buffer_free(&out);
  return good;
}

static int one_request(struct options *options) {
  struct buffer in = {0};
  struct response response;
  uint64_t start = now_us();
  int fd = dial(options->port);
  if (fd < 0) die("cannot connect");
  send_request(fd, options); /* an early refusal may cut it short: the response counts */
  if (!receive(fd, options->method, &in, &response)) die("no whole response");
  printf("%d %llu\n", response.status, (unsigned long long)(now_us() - start));
  if (options->show_head) fwrite(in.data, 1, response.head, stdout);
  fwrite(in.data + response.head, 1, response.length, stdout);
  close(fd);
  buffer_free(&in);
  return fflush(stdout) == 0 ? 0 : 1;
}

static int raw(const struct options *options) {
  struct buffer out = {0};
  char in[65536];
  ssize_t n;
  int fd = dial(options->port);
  if (fd < 0) die("cannot connect");
  read_file("-", &out);
  size_t step = options->bytewise ? 1 : out.length;
  for (size_t at = 0; at < out.length; at += step)
    if (!send_all(fd, out.data + at, step)) break;
  if (!options->stay_open) shutdown(fd, SHUT_WR);
  while ((n = recv(fd, in, sizeof in, 0)) > 0)
    fwrite(in, 1, (size_t)n, stdout);
  close(fd);
  buffer_free(&out);
  if (n < 0 && options->stay_open) die("the server did not close");
  return 0;
}

static void *load_thread(void *argument) {
  struct options *options = argument;
  struct buffer in = {0};
  struct response response;
  int fd = -1;
  while (atomic_fetch_sub(&options->left, 1) > 0) {
    in.length = 0;
    uint64_t start = now_us();
    if (fd < 0) fd = dial(options->port);
    if (fd >= 0 && send_request(fd, options) && receive(fd, options->method, &in, &response)) {
      atomic_fetch_add(&options->statuses[response.status % 600], 1);
      if (options->times)
        options->times[atomic_fetch_add(&options->measured, 1)] = (uint32_t)(now_us() - start);
      if (options->has_expected &&
          (response.length != options->expected.length ||
           memcmp(in.data + response.head, options->expected.data, response.length) != 0))
        atomic_fetch_add(&options->different, 1);
      if (!response.last) continue;
    } else {
      atomic_fetch_add(&options->broken, 1);
    }
    if (fd >= 0) close(fd);
    fd = -1;
  }
  if (fd >= 0) close(fd);
  buffer_free(&in);
  return NULL;
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void print_times(const struct options *options) {
  size_t n = (size_t)options->measured;
  if (n == 0) return;
  qsort(options->times, n, sizeof options->times[0], by_size);
  printf("p50 %u\np99 %u\nmax %u\n", options->times[n / 2], options->times[n * 99 / 100],
         options->times[n - 1]);
}

static int load(struct options *options, bool measure) {
  pthread_t threads[256];
  unsigned started = 0;
  if (options->connections > 256) die("at most 256 connections");
  if (measure && !(options->times = calloc((size_t)options->left + 1, sizeof options->times[0])))
    die("no memory");
  while (started < options->connections && pthread_create(&threads[started], NULL, load_thread, options) == 0)
    started++;
  for (unsigned i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  for (int status = 0; status < 600; status++)
    if (options->statuses[status]) printf("%d %ld\n", status, (long)options->statuses[status]);
  if (options->broken) printf("broken %ld\n", (long)options->broken);
  if (options->different) printf("different %ld\n", (long)options->different);
  if (measure) print_times(options);
  return started == options->connections ? 0 : 1;
}

static void parse_options(struct options *options, int count, char **arguments) {
  int option;
  optind = 1;
  while ((option = getopt(count, arguments, "iH:d:e:p:1ol")) != -1)
    switch (option) {
    case 'i':
      options->show_head = true;
      break;
    case 'l':
      options->measure = true;
      break;
    case '1':
      options->bytewise = true;
      break;
    case 'o':
      options->stay_open = true;
      break;
    case 'p':
      options->pause_ms = (unsigned)strtoul(optarg, NULL, 10);
      break;
    case 'H':
      buffer_print(&options->headers, "%s\r\n", optarg);
      break;
    case 'd':
      options->has_body = true, read_file(optarg, &options->body);
      break;
    case 'e':
      options->has_expected = true, read_file(optarg, &options->expected);
      break;
    default:
      die("unknown option");
    }
  if (optind != count) die("too many words");
}

/* Asks, waits, and closes without having read. */
static int leave(const struct options *options, unsigned count, unsigned ms) {
  struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
  int *all = calloc(count, sizeof *all);
  if (!all) die("no memory");
  for (unsigned i = 0; i < count; i++)
    if ((all[i] = dial(options->port)) < 0 || !send_request(all[i], options)) die("cannot connect");
  nanosleep(&pause, NULL);
  for (unsigned i = 0; i < count; i++)
    close(all[i]);
  free(all);
  return 0;
}

_Noreturn static void serve_file(const char *path) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  struct buffer content = {0};
  char in[4096];
  read_file(path, &content);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
    die("cannot listen");
  printf("%u\n", (unsigned)ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    /* One read has the request, which is small. Without content, until the other side gives up. */
    while (recv(fd, in, sizeof in, 0) > 0 && content.length == 0) {
    }
    if (!send_all(fd, content.data, content.length)) fprintf(stderr, "client: the other side has gone\n");
    close(fd);
  }
}

int main(int count, char **arguments) {
  static struct options options = {.method = "GET"};
  const char *command = count > 2 ? arguments[2] : "";
  if (count > 1) options.port = (uint16_t)strtoul(arguments[1], NULL, 10);
  if (strcmp(command, "request") == 0 && count >= 5) {
    options.method = arguments[3], options.target = arguments[4];
    parse_options(&options, count - 4, arguments + 4);
    return one_request(&options);
  }
  if (strcmp(command, "raw") == 0) {
    parse_options(&options, count - 2, arguments + 2);
    return raw(&options);
  }
  if (strcmp(command, "load") == 0 && count >= 6) {
    options.target = arguments[3];
    options.left = strtol(arguments[4], NULL, 10);
    options.connections = (unsigned)strtoul(arguments[5], NULL, 10);
    parse_options(&options, count - 5, arguments + 5);
    if (options.has_body) options.method = "POST";
    return load(&options, options.measure);
  }
  if (strcmp(command, "leave") == 0 && count == 6) {
    options.target = arguments[3];
    return leave(&options, (unsigned)strtoul(arguments[4], NULL, 10),
                 (unsigned)strtoul(arguments[5], NULL, 10));
  }
  if (strcmp(command, "answer") == 0 && count == 4) serve_file(arguments[3]);
  die("usage: client PORT request|raw|load|leave|answer ...: see the head of client.c");
}
