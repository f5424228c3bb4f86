/* sleep.h: guests that wait for time. Never do they go on too early; how late they are depends on what else
 * the worker does.
 *
 * nginx's own timers are for the long sleeps. For short ones they do not do: they count milliseconds of a
 * clock that stands while events are handled and may be some behind, so that one of them is anything between
 * none and several. Short sleeps are kept here, to a sixteenth of a millisecond. Belongs to the worker's
 * thread. */
#ifndef LUCET_NGINX_SLEEP_H
#define LUCET_NGINX_SLEEP_H

#include "run.h"

/* In each worker, once. NGX_ERROR: has been logged. */
ngx_int_t sleep_init(ngx_cycle_t *cycle);
/* Begins a sleep. 0: the run will be woken; otherwise so many of nginx's milliseconds are left, after which
 * sleep_is_over() is true. */
ngx_msec_t sleep_begin(struct run *run, uint32_t milliseconds);
ngx_flag_t sleep_is_over(const struct run *run);
/* The run is not to be woken any more, if it was. */
void sleep_forget(struct run *run);

#endif
