/* worker.h: a thread with an event loop of its own. Workers share the listening socket, the region and the
 * guests, and nothing else; a connection stays with the worker that accepted it, and its guests run on that
 * worker's thread. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "connection.h"

struct worker {
  struct server *server;
  pthread_t thread;
  int poller, waker; /* epoll and eventfd */
  struct connection *connections;
  unsigned count;
  bool accepting;
  atomic_bool drain;
  uint64_t drain_until_ms; /* 0: not draining */
};

bool worker_start(struct worker *worker, struct server *server);
/* Accepts no more, finishes what is in flight, ends. From any thread. */
void worker_drain(struct worker *worker);
void worker_join(struct worker *worker);

#endif
