/* config.h: the server's text file. Read once, at the start; every mistake is reported with its line.
 *
 *   listen 127.0.0.1:8080      port 0: any free one
 *   threads 2
 *   instances 64               slots of the region: guests that can run at the same time
 *   stack 128k                 of every slot
 *   connections 1024           for each thread
 *   idle 30s                   a silent connection, or a request that takes longer to arrive, is closed
 *   drain 10s                  after SIGTERM
 *   access-log access.log      "-": standard output, which is the default; "off": none
 *   route /path guest.so memory=1m body=64k response=1m cpu=1s slice=2ms wall=10s fetch=127.0.0.1:9000
 * config=text
 *
 * Files are relative to the configuration's directory. A route is for its path and everything below it; the
 * longest one wins. memory: what the guest's memory may grow to; body: the longest request body; response:
 * the longest response; cpu: its CPU time; slice: how long it runs before others have their turn; wall: its
 * time in all, waiting included; fetch: the server that it may fetch from; config: what it gets from
 * `config`. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

enum { CONFIG_MAX_ROUTES = 64 };

struct route {
  char *path, *file;
  size_t path_length;
  uint64_t memory, body, response;
  uint64_t cpu_ns, slice_ns, wall_ns;
  struct sockaddr_in upstream;
  char upstream_name[32]; /* empty: nothing may be fetched */
  char config[128];
};

struct config {
  char address[64], *access_log;
  uint16_t port;
  unsigned threads, instances, connections, idle_seconds, drain_seconds;
  uint64_t stack;
  struct route routes[CONFIG_MAX_ROUTES];
  size_t route_count;
};

/* False: the mistakes were logged. */
bool config_read(struct config *config, const char *path);
void config_free(struct config *config);
/* The index of the route for a request's path, or -1. */
int config_route(const struct config *config, struct text path);

#endif
