/* config.h: what the directives say. docs/nginx.md describes them. */
#ifndef LUCET_NGINX_CONFIG_H
#define LUCET_NGINX_CONFIG_H

#include "guest.h"

struct main_conf {
  ngx_array_t guests;    /* struct guest * */
  ngx_array_t variables; /* struct set_variable *, of lucet_set */
  lucet_linker *linker;
  lucet_region_config pool;
  struct place pool_place; /* of lucet_pool; no file: it is not there */
  ngx_uint_t stop_signal;
  ngx_flag_t used; /* some location runs a guest */
  ngx_shm_zone_t *zone;

  /* The worker's. */
  lucet_region *region;
  ngx_flag_t region_failed;
};

/* lucet_fetch */
struct fetch_conf {
  ngx_str_t prefix; /* empty: nothing may be fetched */
  ngx_uint_t max, parallel;
  size_t size;
  struct place place;
};

struct loc_conf {
  struct use content, access, header_filter, body_filter;
  uint64_t cpu_ns, slice_ns, filter_cpu_ns;
  ngx_msec_t timeout, pool_wait;
  size_t memory, buffer, response_max;
  ngx_uint_t log_lines, allow, trap_log, trap_status;
  ngx_str_t trap_location; /* @named; empty: trap_status */
  struct place trap_place;
  ngx_flag_t check_abort;
  ngx_array_t *variables; /* struct shown_variable, of lucet_variables */
  struct fetch_conf fetch;
  ngx_uint_t status_format; /* of lucet_status */
  lucet_limits limits;      /* made of the above; the deadline is each request's */
};

struct shown_variable {
  ngx_str_t name;
  ngx_int_t index; /* for ngx_http_get_flushed_variable */
};

extern ngx_command_t config_commands[];

void *config_create_main(ngx_conf_t *cf);
char *config_init_main(ngx_conf_t *cf, void *conf);
void *config_create_location(ngx_conf_t *cf);
char *config_merge_location(ngx_conf_t *cf, void *parent, void *child);
/* A copy of the http block's values, with the defaults in place of what it does not say. NULL: no memory. */
struct loc_conf *config_of_http(ngx_conf_t *cf, const struct main_conf *main);
/* After all was read: the pool must have room for every guest. */
ngx_int_t config_check(ngx_conf_t *cf);

#endif
