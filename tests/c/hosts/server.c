/* server.c: the request path of an epoll server: one thread, one instance for each request, guests that trap,
 * a reload on SIGHUP under requests. C11 and libc only. Usage: server MODULE prints its port and serves until
 * SIGTERM; server ask PORT PATH prints what a server answers. Not a web server: it reads one packet and
 * believes it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <lucet.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
  int fd;
  lucet_instance *guest;
  char body[256];
  size_t length;
};

static const char *module_path;
static lucet_linker *linker;
static lucet_module *module;
static lucet_region *region;
static volatile sig_atomic_t stop, hangup;

static int32_t http_write(lucet_call *call, int32_t address, int32_t length) {
  struct request *request = lucet_call_instance_data(call);
  lucet_memory memory = lucet_instance_memory(lucet_call_instance(call), 0);
  uint32_t count = (uint32_t)length;
  const uint8_t *bytes = lucet_at(memory, (uint32_t)address, count);
  if (!bytes) {
    lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
    return 0;
  }
  if (count > sizeof request->body - request->length) return -1;
  memcpy(request->body + request->length, bytes, count);
  request->length += count;
  return 0;
}

static const lucet_host_function http[] = {LUCET_HOST("write", http_write, int32_t, int32_t, int32_t)};

static void finish(struct request *request, int status) {
  char out[512];
  int length;
  if (request->guest && lucet_instance_release(request->guest))
    fprintf(stderr, "release: %s\n", lucet_last_error());
  if (status != 200) request->length = (size_t)snprintf(request->body, sizeof request->body, "%d\n", status);
  length = snprintf(out, sizeof out, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%.*s",
                    status, request->length, (int)request->length, request->body);
  if (write(request->fd, out, (size_t)length) != length) perror("write");
  close(request->fd);
}

static void handle(struct request *request, const char *export) {
  lucet_outcome outcome;
  lucet_status status = lucet_instance_new(region, module, request, NULL, &request->guest);
  char line[256];
  if (status) {
    fprintf(stderr, "error: %s\n", lucet_last_error());
    finish(request, status == LUCET_REGION_FULL ? 503 : 500);
    return;
  }
  status = lucet_instance_run(request->guest, export, NULL, 0, &outcome);
  if (outcome.kind == LUCET_RETURNED) {
    finish(request, 200);
  } else if (outcome.kind == LUCET_NOT_RUN) {
    finish(request, status == LUCET_NOT_FOUND ? 404 : 500);
  } else {
    lucet_instance_describe(request->guest, line, sizeof line);
    fprintf(stderr, "guest: %s\n", line);
    finish(request, 500);
  }
}

static void reload(void) { /* requests that run keep the module they have */
  lucet_module *fresh = NULL;
  if (lucet_module_load_file(module_path, linker, NULL, &fresh)) {
    fprintf(stderr, "keeping the old %s: %s\n", module_path, lucet_last_error());
    return;
  }
  if (module && !strcmp(lucet_module_build_id(fresh), lucet_module_build_id(module)))
    fprintf(stderr, "unchanged\n");
  lucet_module_release(module);
  module = fresh;
}

static void on_signal(int signal) {
  if (signal == SIGHUP)
    hangup = 1;
  else
    stop = 1;
}

static int ask(const char *port, const char *path) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char buffer[1024];
  int length = snprintf(buffer, sizeof buffer, "GET /%s HTTP/1.1\r\n\r\n", path);
  ssize_t got;
  address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) return 1;
  if (write(fd, buffer, (size_t)length) != length) return 1;
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    fwrite(buffer, 1, (size_t)got, stdout);
  close(fd);
  return got < 0;
}

static int listen_somewhere(int poller) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event event = {.events = EPOLLIN};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) return -1;
  if (getsockname(listener, (struct sockaddr *)&address, &length)) return -1;
  event.data.fd = listener;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) return -1;
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void serve(int fd) {
  struct request request = {.fd = fd};
  char in[1024];
  ssize_t got = read(fd, in, sizeof in - 1);
  if (got <= 5 || strncmp(in, "GET /", 5)) {
    close(fd);
    return;
  }
  in[got] = 0;
  in[5 + strcspn(in + 5, " \r\n")] = 0;
  handle(&request, in + 5);
}

static void loop(int poller, int listener) {
  while (!stop) {
    struct epoll_event got[16];
    int count = epoll_wait(poller, got, 16, 1000);
    if (hangup) {
      hangup = 0;
      reload();
    }
    for (int i = 0; i < count; i++) {
      struct epoll_event event = {.events = EPOLLIN};
      if (got[i].data.fd != listener) {
        serve(got[i].data.fd);
        continue;
      }
      event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (event.data.fd >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event)) close(event.data.fd);
    }
  }
}

int main(int argc, char **argv) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region_stats stats = lucet_region_stats_default();
  struct sigaction action = {.sa_handler = on_signal};
  int poller, listener;
  if (argc == 4 && !strcmp(argv[1], "ask")) return ask(argv[2], argv[3]);
  if (argc != 2) return 2;
  module_path = argv[1];
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  config.instances = 100;
  if (lucet_linker_new(&linker) || lucet_linker_define(linker, "http", http, 1, NULL) ||
      lucet_signals_install(LUCET_SIGNALS_ONSTACK) || lucet_region_new(&config, &region)) {
    fprintf(stderr, "%s\n", lucet_last_error());
    return 1;
  }
  reload();
  if (!module) return 1;
  poller = epoll_create1(EPOLL_CLOEXEC);
  listener = listen_somewhere(poller);
  if (listener < 0) return 1;
  loop(poller, listener);
  if (lucet_region_get_stats(region, &stats)) return 1;
  fprintf(stderr, "created %" PRIu64 " live %" PRIu64 " trapped %" PRIu64 "\n", stats.created, stats.live,
          stats.trapped);
  lucet_region_release(region);
  lucet_module_release(module);
  lucet_linker_release(linker);
  close(listener);
  close(poller);
  return stats.live != 0;
}
