/* output.h: bytes of a guest on their way into nginx: copied once, into buffers that are used again when
 * nginx has sent them. */
#ifndef LUCET_NGINX_OUTPUT_H
#define LUCET_NGINX_OUTPUT_H

#include "nginx.h"

struct output {
  ngx_chain_t *pending, **last; /* written, not yet passed on */
  ngx_chain_t *free, *busy;
  size_t size;    /* of what is pending */
  uint64_t total; /* written so far */
};

/* NGX_ERROR: no memory; nothing was taken. */
ngx_int_t output_append(ngx_pool_t *pool, struct output *output, const u_char *bytes, size_t length);
/* Drops what is pending. */
void output_drop(struct output *output);
/* Makes a chain of what is pending, for a filter: the buffers are the output's. Flags as of ngx_buf_t. */
enum { OUTPUT_FLUSH = 1, OUTPUT_LAST = 2, OUTPUT_LAST_IN_CHAIN = 4, OUTPUT_SYNC = 8 };
ngx_int_t output_take(ngx_pool_t *pool, struct output *output, unsigned flags, ngx_chain_t **chain);
/* After the chain was passed on: buffers that were sent are free again. */
void output_passed(ngx_pool_t *pool, struct output *output, ngx_chain_t **chain);

#endif
