/* fetch.h: what a guest gets from elsewhere: a subrequest to an internal location below the prefix of
 * lucet_fetch. Connections, TLS, retries and timeouts are that location's, most likely a proxy_pass. The
 * response is caught by this module's filters and kept in memory, up to a size; nothing of it reaches the
 * client. */
#ifndef LUCET_NGINX_FETCH_H
#define LUCET_NGINX_FETCH_H

#include "run.h"

struct fetch {
  struct run *run;
  ngx_http_request_t *subrequest;
  ngx_http_post_subrequest_t post;
  unsigned open : 1, done : 1, too_large : 1;
  unsigned failed : 1;                          /* status and nothing else: what came is not all of it */
  unsigned has_header : 1, begun : 1, last : 1; /* what has come: header, a piece of the body, its end */
  ngx_uint_t status;
  off_t promised, came; /* bytes of the body; -1: nobody has said */
  u_char *body;
  size_t length, capacity;
};

/* Answers the number of a new one, or an error of lucet_http_v0. */
int32_t fetch_begin(struct run *run, const char *target, size_t length);
/* NULL: there is none of this number. */
struct fetch *fetch_find(const struct run *run, int32_t number);
ngx_flag_t fetch_is_done(const struct run *run, int32_t number);
/* Gives it up: also its subrequest, if it is still on its way. */
void fetch_close(struct fetch *fetch);
/* At a write event of the connection: limit_req has made one wait, and nginx tells only the request itself.
 */
void fetch_wake(struct run *run);
/* With the run: nothing of its fetches goes on, or keeps the client's connection, the worker or an upstream
 * busy. */
void fetch_end_all(struct run *run);

/* For the filters: the fetch whose response this is, or NULL. */
struct fetch *fetch_of_request(ngx_http_request_t *r);
ngx_int_t fetch_take_header(ngx_http_request_t *r);
ngx_int_t fetch_take_body(struct fetch *fetch, ngx_http_request_t *r, ngx_chain_t *chain);

#endif
