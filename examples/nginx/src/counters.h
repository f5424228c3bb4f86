/* counters.h: what is counted, by guest, and how the workers' counts come together. They are in shared
 * memory: a block for each worker, which that worker alone writes, so counting is an addition. What workers
 * that are gone have counted is kept; a reload keeps all of it, by the guests' names. */
#ifndef LUCET_NGINX_COUNTERS_H
#define LUCET_NGINX_COUNTERS_H

#include "config.h"

enum { COUNTED_GUESTS = 64, COUNTED_WORKERS = 64, COUNTED_REGION = 11 };

enum counter {
  COUNT_STARTED, /* instances made */
  COUNT_RETURNED,
  COUNT_TRAPPED,
  COUNT_CPU, /* stopped at lucet_cpu */
  COUNT_TIME,
  COUNT_NESTED,
  COUNT_ABORTED, /* the client has gone */
  COUNT_REFUSED, /* no free instance */
  COUNT_FAILED,
  COUNT_SUSPENSIONS,
  COUNT_SLICES, /* that were used up */
  COUNT_FETCHES,
  COUNT_LOG_LINES,
  COUNTERS,
  COUNT_TRAPS = COUNTERS, /* and a LUCET_TRAP_*: those of this kind */
  TRAPS = 32,
  ALL_COUNTERS = COUNTERS + TRAPS
};
extern const char *const counter_names[COUNTERS];

/* What a worker has now: kept while runs change their states, so it is true whenever somebody looks. */
enum gauge { GAUGE_LIVE, GAUGE_WAITING, GAUGE_QUEUED, GAUGE_WITHOUT_SLOT, GAUGES };
extern const char *const gauge_names[GAUGES];

struct worker_counts {
  ngx_atomic_t pid;  /* 0: free */
  ngx_atomic_t gone; /* the worker has ended by itself */
  uint64_t gauges[GAUGES];
  uint64_t region[COUNTED_REGION]; /* status.c's: a second old at most */
  uint64_t counts[COUNTED_GUESTS][ALL_COUNTERS];
};

ngx_int_t counters_zone(ngx_conf_t *cf, struct main_conf *main);
/* In a new worker, and in one that ends. */
void counters_join(struct main_conf *main);
void counters_leave(void);
void count(const struct guest *guest, ngx_uint_t counter);
void gauge(enum gauge gauge, ngx_int_t by);
/* The sum over all workers, dead ones too. */
uint64_t counters_total(const struct main_conf *main, const struct guest *guest, ngx_uint_t counter);
/* The block of a worker that lives, by number; NULL: none of this number. */
struct worker_counts *counters_worker(const struct main_conf *main, ngx_uint_t number);
struct worker_counts *counters_mine(void);

#endif
