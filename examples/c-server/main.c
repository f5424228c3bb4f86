/* main.c: lucet-server CONFIG: starts the workers and waits for signals. SIGHUP: load changed guests, reopen
 * the access log. SIGTERM, SIGINT: drain and exit with 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "server.h"
#include "worker.h"

/* Binds, listens, and prints where. */
static bool open_listener(struct server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->config.port)};
  socklen_t length = sizeof address;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  inet_pton(AF_INET, server->config.address, &address.sin_addr);
  server->listener = fd;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
    log_error("listen %s:%u: %s", server->config.address, server->config.port, strerror(errno));
    return false;
  }
  printf("listening on %s:%u\n", server->config.address, (unsigned)ntohs(address.sin_port));
  return fflush(stdout) == 0;
}

static void reload(struct server *server) {
  unsigned failed, replaced = guests_reload(&server->guests, &failed);
  atomic_fetch_add(&server->stats.reload_failures, failed);
  if (!access_log_reopen(&server->access_log)) log_error("the access log goes on in the old file");
  log_error("reload: %u guests replaced, %u failed", replaced, failed);
  atomic_fetch_add(&server->stats.reloads, 1); /* last: who sees it knows that the new code answers */
}

/* The workers run until a signal says otherwise. The signals are blocked in all threads and taken here, so no
 * handler of this program ever runs on a guest's stack. */
static int run(struct server *server, struct worker *workers, const sigset_t *signals) {
  unsigned started = 0, wanted = server->config.threads;
  while (started < wanted && worker_start(&workers[started], server))
    started++;
  for (int signal = 0; started == wanted && signal != SIGTERM && signal != SIGINT;) {
    if (sigwait(signals, &signal) != 0) continue;
    if (signal == SIGHUP) reload(server);
  }
  for (unsigned i = 0; i < started; i++)
    worker_drain(&workers[i]);
  for (unsigned i = 0; i < started; i++)
    worker_join(&workers[i]);
  log_error("drained after %llu requests", (unsigned long long)atomic_load(&server->stats.requests));
  return started == wanted ? 0 : 1;
}

static bool open_server(struct server *server, const char *path) {
  server->listener = -1;
  server->access_log.fd = -1;
  if (!config_read(&server->config, path)) return false;
  if (lucet_signals_install(LUCET_SIGNALS_ONSTACK) != LUCET_OK) {
    log_error("signals: %s", lucet_last_error());
    return false;
  }
  return access_log_open(&server->access_log, server->config.access_log) &&
         guests_open(&server->guests, &server->config) && open_listener(server);
}

static void close_server(struct server *server) {
  if (server->listener >= 0) close(server->listener);
  guests_close(&server->guests);
  if (server->access_log.path) access_log_close(&server->access_log);
  config_free(&server->config);
}

int main(int count, char **arguments) {
  struct server *server = calloc(1, sizeof *server);
  struct worker *workers = calloc(64, sizeof *workers); /* config.c allows no more threads */
  sigset_t signals;
  int result = 1;
  if (count != 2) {
    fprintf(stderr, "usage: lucet-server CONFIG\n");
    return 2;
  }
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  if (server && workers && open_server(server, arguments[1])) result = run(server, workers, &signals);
  if (server) close_server(server);
  free(workers);
  free(server);
  return result;
}
