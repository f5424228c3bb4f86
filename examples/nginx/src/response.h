/* response.h: the response of a guest that answers a request. What it writes is kept until there is
 * lucet_buffer of it, or the guest has ended: a short response has a length, and none is sent of a guest that
 * fails. */
#ifndef LUCET_NGINX_RESPONSE_H
#define LUCET_NGINX_RESPONSE_H

#include "run.h"

/* Adds a header that was checked. NGX_ERROR: no memory. */
ngx_int_t response_add_header(ngx_http_request_t *r, ngx_str_t name, ngx_str_t value);
/* Removes all of this name; answers how many there were. */
ngx_uint_t response_remove_header(ngx_http_request_t *r, ngx_str_t name);
/* The first of this name; not found: its data is NULL. */
ngx_str_t response_find_header(ngx_http_request_t *r, ngx_str_t name);

/* Sends what there is. NGX_ERROR: the client is gone. */
ngx_int_t response_push(struct run *run);
/* Whether the client has taken what was sent; if not, send_timeout begins anew. */
ngx_flag_t response_is_taken(struct run *run);
/* At a write event: whether the client has taken nothing for longer than send_timeout. Has been logged; the
 * request is to end. */
ngx_flag_t response_is_too_slow(struct run *run);
/* Sends the rest. Answers what the request is to be finalized with. */
ngx_int_t response_end(struct run *run);

#endif
