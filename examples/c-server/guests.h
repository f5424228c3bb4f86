/* guests.h: the code of the guests: loading, checking, and replacing it while requests run.
 *
 * A guest's code is counted. A request holds what it started with until it is done, so a reload never changes
 * code under a running guest, and the old code goes away with its last request. */
#ifndef SERVER_GUESTS_H
#define SERVER_GUESTS_H

#include <lucet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"

struct code {
  atomic_uint references;
  lucet_module *module;
  LUCET_ENTRY(handle, int32_t); /* of a lucet_http_v0 guest, else NULL */
  const lucet_func *start;      /* of a WASI program, else NULL */
};

struct guest { /* one for each route */
  const struct route *route;
  pthread_mutex_t lock; /* of code */
  struct code *code;
  atomic_ullong runs, returned, trapped, terminated, refused, aborted, slices;
};

struct guests {
  lucet_linker *linker;
  lucet_region *region;
  lucet_region_config region_config;
  struct guest all[CONFIG_MAX_ROUTES];
  size_t count;
};

/* Loads every route's guest and makes the region. False: the reasons were logged. */
bool guests_open(struct guests *guests, const struct config *config);
/* Loads again what has changed. A file that is not fit keeps its old code. Answers how many were replaced;
 * *failed how many could not be. One thread. */
unsigned guests_reload(struct guests *guests, unsigned *failed);
void guests_close(struct guests *guests);

/* Its place among the routes. */
static inline size_t guest_number(const struct guests *guests, const struct guest *guest) {
  return (size_t)(guest - guests->all);
}

struct code *guest_acquire(struct guest *guest);
void code_release(struct code *code);

#endif
