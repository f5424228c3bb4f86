/* nginx.h: nginx's own headers, and lucet.h, as every file here needs them. nginx's come first: they set the
 * feature macros of the system headers. */
#ifndef LUCET_NGINX_H
#define LUCET_NGINX_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <lucet.h>

/* CLOCK_MONOTONIC; nginx's own clock is that of the latest pass of its loop. */
static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

extern ngx_module_t ngx_http_lucet_module; /* directives, content and access handler, variables, status */
extern ngx_module_t
    ngx_http_lucet_filter_module; /* header and body filter; nothing of its own to configure */

#endif
