/* worker.h: a thread with an event loop of its own. Workers share the listening socket, the region and the
 * guests, and nothing else; a connection stays with the worker that accepted it, and its guests run on that
 * worker's thread. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "connection.h"
#include "source.h"
#include "timers.h"
#include "turns.h"

struct worker {
  struct server *server;
  pthread_t thread;
  int poller, waker; /* epoll and eventfd */
  struct source listener_source, waker_source;
  struct connection *connections;
  unsigned count;
  bool accepting;
  atomic_bool drain;
  uint64_t drain_until_ms; /* 0: not draining */
  struct turns turns;      /* guests whose slice has ended */
  struct timers timers;    /* guests that wait */
  struct source *dead;     /* to be freed after this batch of events */
};

bool worker_start(struct worker *worker, struct server *server);
/* Accepts no more, finishes what is in flight, ends. From any thread. */
void worker_drain(struct worker *worker);
void worker_join(struct worker *worker);

/* For what lives in the loop; the worker's thread only. */
bool worker_watch(struct worker *worker, int operation, int fd, uint32_t events, struct source *source);
/* Frees what begins with `source`, when no event can name it any more. */
void worker_bury(struct worker *worker, struct source *source);
/* The guest of an exchange has ended: its connection goes on. */
void worker_finish(struct worker *worker, struct exchange *exchange);

#endif
