/* output.c: see output.h. */
#include "output.h"

/* The first buffer is for short answers; a long one gets larger ones. */
enum { FIRST_BUFFER = 512, BUFFER = 16384 };

static ngx_buf_t *add_buffer(ngx_pool_t *pool, struct output *output, size_t size) {
  ngx_chain_t *link = ngx_chain_get_free_buf(pool, &output->free);
  if (!link) return NULL;
  ngx_buf_t *b = link->buf;
  if (!b->start) {
    b->start = ngx_palloc(pool, size);
    if (!b->start) return NULL;
    b->end = b->start + size;
  }
  u_char *start = b->start, *end = b->end;
  ngx_memzero(b, sizeof *b);
  b->start = b->pos = b->last = start;
  b->end = end;
  b->temporary = start != NULL;
  b->tag = (ngx_buf_tag_t)&ngx_http_lucet_module;
  if (!output->last || !output->pending) output->last = &output->pending;
  *output->last = link;
  output->last = &link->next;
  return b;
}

static ngx_buf_t *last_buffer(struct output *output) {
  return output->pending ? (ngx_queue_data(output->last, ngx_chain_t, next))->buf : NULL;
}

ngx_int_t output_append(ngx_pool_t *pool, struct output *output, const u_char *bytes, size_t length) {
  ngx_buf_t *b = last_buffer(output);
  output->size += length;
  output->total += length;
  while (length > 0) {
    if (!b || b->last == b->end) {
      size_t size = output->total <= FIRST_BUFFER ? FIRST_BUFFER : BUFFER;
      b = add_buffer(pool, output, size);
      if (!b) return NGX_ERROR;
    }
    size_t room = (size_t)(b->end - b->last), n = length < room ? length : room;
    b->last = ngx_cpymem(b->last, bytes, n);
    bytes += n;
    length -= n;
  }
  return NGX_OK;
}

void output_drop(struct output *output) {
  for (ngx_chain_t *link = output->pending, *next; link; link = next) {
    next = link->next;
    link->buf->pos = link->buf->last = link->buf->start;
    link->next = output->free;
    output->free = link;
  }
  output->pending = NULL;
  output->size = 0;
}

ngx_int_t output_take(ngx_pool_t *pool, struct output *output, unsigned flags, ngx_chain_t **chain) {
  ngx_buf_t *b = last_buffer(output);
  if (!b) {
    ngx_chain_t *link = ngx_alloc_chain_link(pool);
    b = ngx_calloc_buf(pool);
    if (!link || !b) return NGX_ERROR;
    b->tag = (ngx_buf_tag_t)&ngx_http_lucet_module;
    link->buf = b;
    link->next = NULL;
    output->pending = link;
  }
  b->flush = (flags & OUTPUT_FLUSH) != 0;
  b->last_buf = (flags & OUTPUT_LAST) != 0;
  b->last_in_chain = (flags & OUTPUT_LAST_IN_CHAIN) != 0;
  b->sync = b->start == NULL && !(flags & (OUTPUT_FLUSH | OUTPUT_LAST)); /* empty, and not without a reason */
  *chain = output->pending;
  output->pending = NULL;
  output->size = 0;
  return NGX_OK;
}

void output_passed(ngx_pool_t *pool, struct output *output, ngx_chain_t **chain) {
  ngx_chain_update_chains(pool, &output->free, &output->busy, chain, (ngx_buf_tag_t)&ngx_http_lucet_module);
}
