/* guest.h: the programs of lucet_module, and the directives that use them. All of this belongs to a
 * configuration: made and checked in the master, read by its workers, gone with its cycle. */
#ifndef LUCET_NGINX_GUEST_H
#define LUCET_NGINX_GUEST_H

#include "nginx.h"

/* Where something is in the configuration, for messages that come after it was parsed. */
struct place {
  u_char *file;
  ngx_uint_t line;
};

struct guest {
  ngx_str_t name, path, config;
  struct place place;
  lucet_module *module;
  uint64_t memory_bytes; /* that it starts with */
  ngx_uint_t index;      /* of its counters */
  ngx_queue_t runnable;  /* the worker's: its runs that wait for a slice, see queue.c */
  ngx_queue_t turn;
  ngx_uint_t score;      /* how often its runs take long; see queue.c */
  ngx_msec_t slow_until; /* its requests begin in the queue */
};

/* `lucet_content hello;` and its like. No directive, or `off`: guest is NULL. */
struct use {
  struct guest *guest;
  LUCET_ENTRY(enter, int32_t);
  ngx_str_t name, entry;
  const char *directive, *default_entry;
  struct place place;
};

/* Groups of functions for lucet_allow. */
enum {
  ALLOW_LOG = 1 << 0,
  ALLOW_RANDOM = 1 << 1,
  ALLOW_SLEEP = 1 << 2,
  ALLOW_FETCH = 1 << 3,
  ALLOW_VARIABLES = 1 << 4,
  ALLOW_DEMO = 1 << 5,
};

struct main_conf;
struct loc_conf;

struct place place_here(const ngx_conf_t *cf);
/* Logs at level emerg, with the place behind it. */
void complain(ngx_conf_t *cf, struct place place, const char *format, ...);

/* The directive lucet_module. */
char *guest_directive(ngx_conf_t *cf, ngx_command_t *command, void *conf);
/* Finds the guest and the entry that a directive names, and whether the location lets it run: what it
 * imports, the memory that it starts with. NGX_ERROR: has been logged. */
ngx_int_t use_resolve(ngx_conf_t *cf, struct main_conf *main, const struct loc_conf *conf, struct use *use);

#endif
