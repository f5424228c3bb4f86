/* limits.h: what a run may use, as lucet_limits.
 *
 * Exact limits cost two system calls an entry on a worker that is not busy, for a timer that must not fire
 * when nginx sleeps. Most guests return after microseconds, so a run is trusted at first: it only has a slice
 * of 8 ms, which the library keeps by a timer of the worker's processor time, set once for many runs. One
 * that uses up that slice, or a millisecond over several entries, has exact limits from then on, and what it
 * has used counts. A slow guest (queue.h) is not trusted, and neither is a location with limits that are too
 * short for this. */
#ifndef LUCET_NGINX_LIMITS_H
#define LUCET_NGINX_LIMITS_H

#include "run.h"

/* For a new instance. */
lucet_limits limits_of_new(struct run *run);
/* Before a turn in the queue: for how long it is. */
ngx_int_t limits_of_turn(struct run *run);
/* Around each entry and resume. NGX_ERROR: the library refuses the limits. */
void limits_enter(struct run *run);
ngx_int_t limits_leave(struct run *run, uint32_t kind);
/* Nanoseconds since the latest entry, for a run that has just ended. */
uint64_t limits_since_entry(const struct run *run);
/* For the next piece of a body filter, which has lucet_filter_cpu to itself. */
ngx_int_t limits_of_piece(struct run *run);

#endif
