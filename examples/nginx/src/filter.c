/* filter.c: see filter.h. The same two filters catch the responses to fetches, and see
 * that nginx itself answers a request whose guest waits.
 *
 * A header filter has an instance for its one call; a body filter one for the whole response, made before the
 * header goes out, so that a client gets a 500 or 503 and not half a response when there is none. Pieces are
 * copied into the guest by the guest, and what it writes goes on in their place. While the client has much of
 * that still to take, pieces are kept as they are, and whoever makes them finds his buffers in use and waits.
 */
#include "filter.h"

#include "fetch.h"

/* A bit of r->buffered that no module of nginx's own uses. */
enum { BUFFERED = 8, LEAST_KEPT = 32768 };

struct filter_context {
  struct run *body;  /* NULL: only headers */
  ngx_chain_t *kept; /* pieces that the guest has not seen yet */
  unsigned failed : 1;
};

static ngx_http_output_header_filter_pt next_header_filter;
static ngx_http_output_body_filter_pt next_body_filter;

/* ---- headers ---- */

static ngx_int_t failure(ngx_http_request_t *r, struct filter_context *context, struct run *run) {
  ngx_int_t status = run_verdict(run);
  context->failed = 1;
  if (status == NGX_OK) {
    ngx_log_error(run->conf->trap_log, r->connection->log, 0, "lucet: filter \"%V\" returned %D",
                  &run->use->name, run->result);
    status = (ngx_int_t)run->conf->trap_status;
  }
  return ngx_http_filter_finalize_request(r, &ngx_http_lucet_filter_module, status);
}

static ngx_int_t filter_headers(ngx_http_request_t *r, struct loc_conf *conf,
                                struct filter_context *context) {
  struct run *run = run_make(r, &conf->header_filter, RUN_HEADER_FILTER);
  if (!run) return NGX_ERROR;
  run->status = (int32_t)r->headers_out.status;
  run_start(run);
  if (run->ending != END_RETURNED || run->result != 0) return failure(r, context, run);
  if (run->status != (int32_t)r->headers_out.status) {
    r->headers_out.status = (ngx_uint_t)run->status;
    r->headers_out.status_line.len = 0;
  }
  return NGX_OK;
}

/* The length and the ranges of the body that goes out are not known. */
static ngx_int_t prepare_body(ngx_http_request_t *r, struct loc_conf *conf, struct filter_context *context) {
  context->body = run_make(r, &conf->body_filter, RUN_BODY_FILTER);
  if (!context->body) return NGX_ERROR;
  if (run_prepare(context->body) != NGX_OK) return failure(r, context, context->body);
  r->filter_need_in_memory = 1;
  if (r == r->main) {
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_weak_etag(r);
    r->allow_ranges = 0;
  }
  return NGX_OK;
}

static ngx_int_t header_filter(ngx_http_request_t *r) {
  struct loc_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  struct filter_context *context = ngx_http_get_module_ctx(r, ngx_http_lucet_filter_module);
  struct run *run = ngx_http_get_module_ctx(r, ngx_http_lucet_module);
  ngx_int_t rc = NGX_OK;
  if (run) run_lost_request(run);
  if (fetch_of_request(r)) return fetch_take_header(r);
  if (context || (!conf->header_filter.guest && !conf->body_filter.guest)) return next_header_filter(r);
  context = ngx_pcalloc(r->pool, sizeof *context);
  if (!context) return NGX_ERROR;
  ngx_http_set_ctx(r, context, ngx_http_lucet_filter_module);
  if (conf->header_filter.guest && r == r->main) rc = filter_headers(r, conf, context);
  if (rc == NGX_OK && conf->body_filter.guest && !r->header_only) rc = prepare_body(r, conf, context);
  return rc == NGX_OK ? next_header_filter(r) : rc;
}

/* ---- bodies ---- */

size_t filter_chunk_length(const struct run *run) {
  size_t length = 0;
  for (const ngx_chain_t *link = run->chunk; link; link = link->next)
    if (ngx_buf_in_memory(link->buf)) length += (size_t)(link->buf->last - link->buf->pos);
  return length;
}

size_t filter_chunk_copy(const struct run *run, size_t offset, u_char *out, size_t length) {
  size_t done = 0;
  for (const ngx_chain_t *link = run->chunk; link && done < length; link = link->next) {
    size_t size = ngx_buf_in_memory(link->buf) ? (size_t)(link->buf->last - link->buf->pos) : 0;
    if (offset >= size) {
      offset -= size;
      continue;
    }
    size_t n = length - done < size - offset ? length - done : size - offset;
    ngx_memcpy(out + done, link->buf->pos + offset, n);
    done += n;
    offset = 0;
  }
  return done;
}

static unsigned flags_of(const ngx_http_request_t *r, const ngx_chain_t *chain, ngx_flag_t *last) {
  unsigned flags = 0;
  for (; chain; chain = chain->next) {
    if (chain->buf->flush) flags |= OUTPUT_FLUSH;
    if (chain->buf->last_buf) flags |= OUTPUT_LAST;
    if (chain->buf->last_in_chain) flags |= OUTPUT_LAST_IN_CHAIN;
  }
  *last = (flags & (r == r->main ? OUTPUT_LAST : OUTPUT_LAST_IN_CHAIN)) != 0;
  return flags;
}

static void consume(ngx_chain_t *chain) {
  for (; chain; chain = chain->next) {
    chain->buf->pos = chain->buf->last;
    chain->buf->file_pos = chain->buf->file_last;
  }
}

static ngx_int_t run_piece(struct filter_context *context, const ngx_chain_t *in, ngx_flag_t last) {
  struct run *run = context->body;
  run->chunk = in;
  run->chunk_is_last = last != 0;
  run->output.total = 0; /* lucet_response_max is for each piece */
  run_again(run);
  run->chunk = NULL;
  if (run->state != RUN_DONE && run->result == 0) {
    if (last) run_end(run, END_RETURNED);
    return NGX_OK;
  }
  if (run->state != RUN_DONE) {
    ngx_log_error(run->conf->trap_log, run->r->connection->log, 0, "lucet: filter \"%V\" returned %D",
                  &run->use->name, run->result);
    run_end(run, END_RETURNED);
  }
  context->failed = 1;
  return NGX_ERROR;
}

static ngx_int_t pass_on(ngx_http_request_t *r, struct run *run, ngx_chain_t *chain) {
  ngx_chain_t *none = NULL;
  ngx_int_t rc = next_body_filter(r, chain);
  output_passed(r->pool, &run->output, &none);
  return rc;
}

/* Whether the client has so much to take that the guest is not to write more. nginx holds back short pieces
 * (postpone_output), so a little must never be enough. */
static ngx_flag_t is_full(const struct run *run) {
  size_t most = ngx_max(run->conf->buffer, (size_t)LEAST_KEPT), busy = 0;
  for (const ngx_chain_t *link = run->output.busy; link && busy < most; link = link->next)
    busy += (size_t)ngx_buf_size(link->buf);
  return busy >= most;
}

/* Keeps the pieces that come while the client has too much to take. NGX_OK: it has no more, and *in is all
 * that was kept; NGX_AGAIN: nginx calls again with nothing when the client has taken something. */
static ngx_int_t keep_back(ngx_http_request_t *r, struct filter_context *context, ngx_chain_t **in) {
  if (*in && ngx_chain_add_copy(r->pool, &context->kept, *in) != NGX_OK) return NGX_ERROR;
  if (is_full(context->body) && pass_on(r, context->body, NULL) == NGX_ERROR) return NGX_ERROR;
  r->buffered &= ~BUFFERED;
  if (is_full(context->body)) {
    r->buffered |= BUFFERED;
    return NGX_AGAIN;
  }
  *in = context->kept;
  context->kept = NULL;
  return NGX_OK;
}

static ngx_int_t filter_pieces(ngx_http_request_t *r, struct filter_context *context, ngx_chain_t *in) {
  struct run *run = context->body;
  ngx_chain_t *out = NULL;
  ngx_flag_t last;
  unsigned flags = flags_of(r, in, &last);
  run->chunk = in;
  if (run->state == RUN_DONE || (filter_chunk_length(run) == 0 && !last)) return pass_on(r, run, in);
  if (run_piece(context, in, last) != NGX_OK) return NGX_ERROR;
  consume(in);
  if (run->output.size == 0 && !flags) return NGX_OK;
  if (output_take(r->pool, &run->output, flags, &out) != NGX_OK) return NGX_ERROR;
  ngx_int_t rc = next_body_filter(r, out);
  output_passed(r->pool, &run->output, &out);
  return rc;
}

static ngx_int_t body_filter(ngx_http_request_t *r, ngx_chain_t *in) {
  struct filter_context *context = ngx_http_get_module_ctx(r, ngx_http_lucet_filter_module);
  struct fetch *fetch = fetch_of_request(r);
  if (fetch) return fetch_take_body(fetch, r, in);
  if (!context || !context->body || r->filter_finalize) return next_body_filter(r, in);
  if (context->failed) return NGX_ERROR;
  struct run *run = context->body;
  if (!context->kept && !is_full(run)) return filter_pieces(r, context, in);
  ngx_int_t rc = keep_back(r, context, &in);
  if (rc != NGX_OK) return rc;
  rc = filter_pieces(r, context, in);
  for (ngx_chain_t *link = in, *next; link; link = next) {
    next = link->next;
    ngx_free_chain(r->pool, link);
  }
  return rc;
}

/* ---- the module ---- */

static ngx_int_t install(ngx_conf_t *cf) {
  struct main_conf *main = ngx_http_conf_get_module_main_conf(cf, ngx_http_lucet_module);
  if (!main->used) return NGX_OK;
  next_header_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = header_filter;
  next_body_filter = ngx_http_top_body_filter;
  ngx_http_top_body_filter = body_filter;
  return NGX_OK;
}

static ngx_http_module_t filter_context_of_module = {.postconfiguration = install};

ngx_module_t ngx_http_lucet_filter_module = {
    NGX_MODULE_V1, &filter_context_of_module, NULL, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL,          NGX_MODULE_V1_PADDING};
