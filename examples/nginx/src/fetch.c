/* fetch.c: see fetch.h. Subrequests run in the background: they do not hold the order of the parent's output,
 * so several can be on their way, and the parent can write meanwhile. nginx has no way to end one of a
 * request's subrequests, so end() does what its parts do when the whole request ends. */
#include "fetch.h"

#include "lucet_http_errors.h"

/* Whether the answer is all there. nginx ends a subrequest whose upstream goes away in the middle as it ends
 * others; only that the last piece is missing tells. Answers without a body have no pieces at all. */
static ngx_flag_t is_whole(const struct fetch *fetch) {
  return (fetch->promised < 0 || fetch->came >= fetch->promised) && (!fetch->begun || fetch->last);
}

static void fail(struct fetch *fetch) {
  fetch->failed = 1;
  fetch->status = NGX_HTTP_BAD_GATEWAY;
  fetch->length = 0;
}

/* Whether there is more to come: from a file that is read in threads, or from subrequests of its own. */
static ngx_flag_t goes_on(const ngx_http_request_t *r, ngx_int_t rc) {
  return rc != NGX_ERROR && rc < NGX_HTTP_SPECIAL_RESPONSE && (r->buffered || r->postponed);
}

/* While a subrequest goes on, nginx sets the timer for clients that do not read, as if it sent to one. */
static void forget_timer(const ngx_http_request_t *sr) {
  ngx_event_t *write = sr->connection->write;
  if (write->delayed || sr->main->buffered || sr->connection->buffered) return;
  if (write->timer_set) ngx_del_timer(write);
  write->timedout = 0;
}

/* The subrequest has come to its end, well or badly; also called again for the page of an error. */
static ngx_int_t on_done(ngx_http_request_t *r, void *data, ngx_int_t rc) {
  struct fetch *fetch = data;
  if (fetch->done) return NGX_OK;
  if (goes_on(r, rc)) return rc;
  forget_timer(r);
  fetch->done = 1;
  fetch->status = rc >= NGX_HTTP_SPECIAL_RESPONSE ? (ngx_uint_t)rc : r->headers_out.status;
  if (rc == NGX_ERROR || fetch->status == 0 || (fetch->has_header && !is_whole(fetch))) fail(fetch);
  if (fetch->status == NGX_HTTP_CLIENT_CLOSED_REQUEST) return rc; /* the client of all of it */
  /* The run goes on from its own events, not from within this one's. */
  if (ngx_http_post_request(fetch->run->r, NULL) != NGX_OK) return NGX_ERROR;
  return NGX_OK;
}

/* The request for what was asked and nothing else: nothing of the client's own headers or body is in it. */
static ngx_int_t clean(ngx_http_request_t *sr) {
  ngx_str_t server = sr->headers_in.server;
  ngx_memzero(&sr->headers_in, sizeof sr->headers_in);
  if (ngx_list_init(&sr->headers_in.headers, sr->pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK)
    return NGX_ERROR;
  sr->headers_in.server = server;
  sr->headers_in.content_length_n = -1;
  sr->headers_in.keep_alive_n = -1;
  sr->request_body = NULL;
  sr->header_only = 0;
  return NGX_OK;
}

static ngx_int_t make_uri(struct run *run, const char *target, size_t length, ngx_str_t *uri,
                          ngx_str_t *arguments) {
  const ngx_str_t *prefix = &run->conf->fetch.prefix;
  ngx_uint_t flags = NGX_HTTP_LOG_UNSAFE;
  uri->len = prefix->len + length;
  uri->data = ngx_pnalloc(run->r->pool, uri->len);
  if (!uri->data) return NGX_ERROR;
  ngx_memcpy(ngx_cpymem(uri->data, prefix->data, prefix->len), target, length);
  /* Refuses what would leave the prefix: "..", also as %2e%2e. */
  return ngx_http_parse_unsafe_uri(run->r, uri, arguments, &flags);
}

static struct fetch *take_free(struct run *run, int32_t *number) {
  ngx_uint_t most = run->conf->fetch.parallel;
  if (!run->fetches) run->fetches = ngx_pcalloc(run->r->pool, most * sizeof(struct fetch *));
  if (!run->fetches) return NULL;
  for (ngx_uint_t i = 0; i < most; i++) {
    if (run->fetches[i] && (run->fetches[i]->open || !run->fetches[i]->done)) continue;
    run->fetches[i] = ngx_pcalloc(run->r->pool, sizeof(struct fetch));
    if (run->fetches[i]) run->fetches[i]->done = 1; /* until there is a subrequest */
    *number = (int32_t)i;
    return run->fetches[i];
  }
  return NULL;
}

int32_t fetch_begin(struct run *run, const char *target, size_t length) {
  ngx_str_t uri, arguments = ngx_null_string;
  int32_t number;
  if (run->kind > RUN_ACCESS) return LUCET_HTTP_CANNOT_WAIT;
  if (!run->conf->fetch.prefix.len) return LUCET_HTTP_FORBIDDEN;
  if (run->fetched >= run->conf->fetch.max) return LUCET_HTTP_TOO_LARGE;
  struct fetch *fetch = take_free(run, &number);
  if (!fetch) return LUCET_HTTP_TOO_LARGE;
  if (make_uri(run, target, length, &uri, &arguments) != NGX_OK) return LUCET_HTTP_INVALID;
  fetch->run = run;
  fetch->post = (ngx_http_post_subrequest_t){on_done, fetch};
  if (ngx_http_subrequest(run->r, &uri, &arguments, &fetch->subrequest, &fetch->post,
                          NGX_HTTP_SUBREQUEST_BACKGROUND) != NGX_OK ||
      clean(fetch->subrequest) != NGX_OK)
    return LUCET_HTTP_TOO_LARGE; /* nginx allows 50 in all, one below the other */
  fetch->open = 1;
  fetch->done = 0;
  run->fetched++;
  return number;
}

struct fetch *fetch_find(const struct run *run, int32_t number) {
  if (number < 0 || !run->fetches || (ngx_uint_t)number >= run->conf->fetch.parallel) return NULL;
  struct fetch *fetch = run->fetches[number];
  return fetch && fetch->open ? fetch : NULL;
}

ngx_flag_t fetch_is_done(const struct run *run, int32_t number) {
  const struct fetch *fetch = fetch_find(run, number);
  return !fetch || fetch->done;
}

/* Whether a subrequest waits for its turn in limit_req. That uses the timer of the connection's write event,
 * which is then not for sending; what follows it is the module's own and not known here. */
static ngx_flag_t is_delayed(const ngx_http_request_t *sr) {
  const ngx_http_core_main_conf_t *core = ngx_http_get_module_main_conf(sr, ngx_http_core_module);
  return !sr->upstream && sr->read_event_handler == ngx_http_test_reading &&
         core->phase_engine.handlers[sr->phase_handler].checker == ngx_http_core_generic_phase;
}

void fetch_wake(struct run *run) {
  if (!run->fetches || run->r->connection->write->delayed) return;
  for (ngx_uint_t i = 0; i < run->conf->fetch.parallel; i++) {
    struct fetch *fetch = run->fetches[i];
    if (fetch && !fetch->done && is_delayed(fetch->subrequest))
      ngx_http_post_request(fetch->subrequest, NULL);
  }
}

/* In the place of a subrequest's beginning. */
static void never_begin(ngx_http_request_t *sr) { ngx_http_finalize_request(sr, NGX_DONE); }

/* Takes back the subrequest's reference to the request; nothing of it is called any more. */
static void let_go(struct fetch *fetch) {
  fetch->done = 1;
  fetch->subrequest->write_event_handler = ngx_http_request_empty_handler;
  ngx_http_finalize_request(fetch->subrequest, NGX_DONE);
}

/* The end of what the lock's timer would do. */
static ngx_flag_t end_lock(struct fetch *fetch) {
#if (NGX_HTTP_CACHE)
  ngx_http_cache_t *cache = fetch->done ? NULL : fetch->subrequest->cache; /* done: maybe never begun */
  if (!cache || !cache->waiting) return 0;
  if (cache->wait_event.timer_set) ngx_del_timer(&cache->wait_event);
  cache->waiting = 0;
  fetch->subrequest->main->blocked--;
  let_go(fetch);
  return 1;
#else
  (void)fetch;
  return 0;
#endif
}

/* Sending, which had to wait as well, goes on: limit_rate then sees for itself whether there is a delay. */
static void end_delay(struct fetch *fetch) {
  ngx_event_t *write = fetch->subrequest->connection->write;
  if (write->timer_set) ngx_del_timer(write);
  write->delayed = 0;
  ngx_post_event(write, &ngx_posted_events);
  let_go(fetch);
}

/* In the place of going on when a thread has read a piece of a file, or of writing for another reason
 * meanwhile. A client that has gone away meanwhile was left to the subrequest as well: nginx frees nothing
 * under a thread. */
static void end_after_piece(ngx_http_request_t *sr) {
  if (sr->aio) return;
  sr->write_event_handler = ngx_http_request_empty_handler;
  forget_timer(sr);
  ngx_http_finalize_request(sr, sr->connection->error ? NGX_ERROR : NGX_DONE);
}

/* Ends a subrequest: one that has not begun, waits for an upstream, a lock or a delay, reads a file in
 * threads, or has a guest of its own. Others, at work for an upstream in a thread or for another module's
 * reasons, go on until a response to them begins. */
static void end(struct fetch *fetch) {
  ngx_http_request_t *sr = fetch->subrequest;
  struct run *inner;
  if (end_lock(fetch) || fetch->done) return;
  if (sr->aio && !sr->upstream) {
    fetch->done = 1;
    sr->write_event_handler = end_after_piece;
    return;
  }
  if (sr->main->blocked) return;
  if (sr->write_event_handler == ngx_http_handler) { /* is posted */
    fetch->done = 1;
    sr->write_event_handler = never_begin;
    return;
  }
  inner = ngx_http_get_module_ctx(sr, ngx_http_lucet_module);
  if (inner && run_is_waiting(inner)) {
    run_end(inner, END_ABORTED);
    let_go(fetch);
  } else if (is_delayed(sr) && sr->connection->write->delayed) {
    end_delay(fetch);
  } else if (sr->upstream && sr->upstream->cleanup) {
    fetch->done = 1;
    sr->write_event_handler = ngx_http_request_empty_handler;
    (*sr->upstream->cleanup)(sr);
  }
}

void fetch_end_all(struct run *run) {
  for (ngx_uint_t i = 0; run->fetches && i < run->conf->fetch.parallel; i++)
    if (run->fetches[i]) end_lock(run->fetches[i]); /* those make it seem that threads are at work */
  for (ngx_uint_t i = 0; run->fetches && i < run->conf->fetch.parallel; i++)
    if (run->fetches[i]) end(run->fetches[i]);
}

void fetch_close(struct fetch *fetch) {
  end(fetch);
  fetch->open = 0;
  if (fetch->body) ngx_pfree(fetch->run->r->pool, fetch->body);
  fetch->body = NULL;
  fetch->length = fetch->capacity = 0;
}

struct fetch *fetch_of_request(ngx_http_request_t *r) {
  if (r == r->main || !r->post_subrequest || r->post_subrequest->handler != on_done) return NULL;
  return r->post_subrequest->data;
}

ngx_int_t fetch_take_header(ngx_http_request_t *r) {
  struct fetch *fetch = fetch_of_request(r);
  if (fetch->run->state == RUN_DONE) return NGX_ERROR; /* nobody waits for it: see end() */
  ngx_flag_t empty = r->header_only || r->headers_out.status == NGX_HTTP_NO_CONTENT ||
                     r->headers_out.status == NGX_HTTP_NOT_MODIFIED;
  fetch->has_header = 1;
  fetch->promised = empty ? 0 : r->headers_out.content_length_n;
  r->filter_need_in_memory = 1;
  r->header_sent = 1;
  return NGX_OK;
}

static ngx_int_t keep(struct fetch *fetch, ngx_http_request_t *r, const u_char *bytes, size_t length) {
  size_t limit = fetch->run->conf->fetch.size, needed = fetch->length + length;
  if (!fetch->open || fetch->too_large || fetch->failed) return NGX_OK;
  if (needed > limit) {
    fetch->too_large = 1;
    fetch->length = 0;
    return NGX_OK;
  }
  if (needed > fetch->capacity) {
    size_t capacity = fetch->capacity ? 2 * fetch->capacity : 4096;
    off_t told = r->headers_out.content_length_n;
    if (fetch->capacity == 0 && told > 0 && (uint64_t)told <= limit) capacity = (size_t)told;
    if (capacity < needed) capacity = needed;
    u_char *larger = ngx_palloc(r->pool, capacity);
    if (!larger) return NGX_ERROR;
    if (fetch->length) ngx_memcpy(larger, fetch->body, fetch->length);
    if (fetch->body) ngx_pfree(r->pool, fetch->body);
    fetch->body = larger;
    fetch->capacity = capacity;
  }
  ngx_memcpy(fetch->body + fetch->length, bytes, length);
  fetch->length = needed;
  return NGX_OK;
}

ngx_int_t fetch_take_body(struct fetch *fetch, ngx_http_request_t *r, ngx_chain_t *chain) {
  for (; chain; chain = chain->next) {
    ngx_buf_t *b = chain->buf;
    fetch->begun = 1;
    fetch->came += ngx_buf_size(b);
    if (b->last_buf || b->last_in_chain) fetch->last = 1;
    if (ngx_buf_in_memory(b) && keep(fetch, r, b->pos, (size_t)(b->last - b->pos)) != NGX_OK)
      return NGX_ERROR;
    b->pos = b->last;
    b->file_pos = b->file_last;
  }
  return NGX_OK;
}
