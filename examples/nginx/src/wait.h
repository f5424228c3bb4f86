/* wait.h: what goes on while a run's guest does not: what it was suspended for, its turn, or a free instance;
 * and what ends that. A run that leaves nginx's stack has a timer, and is tied to its request. */
#ifndef LUCET_NGINX_WAIT_H
#define LUCET_NGINX_WAIT_H

#include "run.h"

/* Sees to it that the guest does not outlive its request. */
ngx_int_t wait_tie(struct run *run);
/* Begins what the guest was suspended for. NGX_OK: that is over already; NGX_AGAIN: the run waits; NGX_DONE:
 * it has ended. */
ngx_int_t wait_begin(struct run *run);
/* Whether what a WAITING run waits for has happened. */
ngx_flag_t wait_is_over(struct run *run);
/* A run that waits may have slept for long enough, or have waited for too long: goes on with it, or ends it.
 */
void wait_look(struct run *run);
/* Both: NGX_AGAIN; or NGX_DONE: the run has ended. */
ngx_int_t wait_for_turn(struct run *run);
ngx_int_t wait_for_slot(struct run *run);

#endif
