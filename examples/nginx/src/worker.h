/* worker.h: what a worker process has: signal handlers, the region, its block of counters. */
#ifndef LUCET_NGINX_WORKER_H
#define LUCET_NGINX_WORKER_H

#include "config.h"

ngx_int_t worker_init(ngx_cycle_t *cycle);
void worker_exit(ngx_cycle_t *cycle);
/* The region of this configuration, made now if need be; NULL: it cannot be made, which was logged. */
lucet_region *worker_region(struct main_conf *main);

/* An instance has been made: within a second, others will see what the region has now. */
void worker_at_work(struct main_conf *main);
/* Whether a process can have such a region, as far as the master can tell. A limit on address space
 * (RLIMIT_AS) is the workers' own matter. */
ngx_flag_t worker_has_room(const lucet_region_config *pool);

#endif
