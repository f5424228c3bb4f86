/* connection.c: see connection.h. Requests are taken one after the other out of what has been read, so
 * pipelined ones are answered in order; no more than one piece is read ahead. */
#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve.h"
#include "worker.h"

enum { PIECE = 16384, PIECES_AT_ONCE = 16, LINGER_MS = 2000, KEEP_BUFFER = 65536 };

uint64_t clock_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_ms(void) { return clock_us() / 1000; }

static void set_deadline(struct connection *c) {
  c->deadline_ms = clock_ms() + 1000ull * c->server->config.idle_seconds;
}

struct connection *connection_new(struct worker *worker, int fd, const char *peer) {
  struct connection *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->source.kind = SOURCE_CLIENT;
  c->worker = worker;
  c->server = worker->server;
  c->fd = fd;
  snprintf(c->peer, sizeof c->peer, "%s", peer);
  set_deadline(c);
  return c;
}

void connection_close(struct connection *c) {
  if (c->state == CONNECTION_GUEST) {
    atomic_fetch_add(&c->exchange.run.guest->aborted, 1);
    run_end(&c->exchange.run);
    exchange_free(&c->exchange);
  }
  close(c->fd);
  buffer_free(&c->in);
  buffer_free(&c->head);
  buffer_free(&c->body);
  buffer_free(&c->out);
}

bool connection_is_idle(const struct connection *c) {
  return c->state == CONNECTION_HEAD && c->in.length == 0;
}

/* Queues the response, counts and logs it. */
static void respond(struct connection *c, struct exchange *exchange, bool keep_alive) {
  struct text headers = {exchange->headers.data ? exchange->headers.data : "", exchange->headers.length};
  struct text body = {exchange->out.data ? exchange->out.data : "", exchange->out.length};
  bool head_only = c->request.is_head;
  size_t bytes = head_only || !http_has_body(exchange->status) ? 0 : body.length;
  if (!http_respond(&c->out, exchange->status, keep_alive, headers, body, head_only)) {
    snprintf(exchange->why, sizeof exchange->why, "no memory for the response");
    exchange->status = 500;
    bytes = 0;
    keep_alive = false; /* nothing can be sent: the client sees the connection end */
  }
  stats_answered(&c->server->stats, exchange->status);
  access_log_write(&c->server->access_log, c->peer, exchange, exchange->status, bytes,
                   clock_us() - c->started_us);
  exchange_free(exchange);
  c->last = !keep_alive;
  c->state = CONNECTION_WRITE;
  set_deadline(c);
}

/* Refuses the current request. What follows it cannot be told apart from its rest, so the connection ends. */
static void refuse(struct connection *c, int status, const char *why) {
  struct exchange exchange = {.request = &c->request, .body = {c->body.data, c->body.length}};
  snprintf(exchange.why, sizeof exchange.why, "%s", why);
  serve_error(&exchange, status);
  respond(c, &exchange, false);
}

void connection_answer(struct connection *c) {
  serve_end(&c->exchange);
  respond(c, &c->exchange, c->request.keep_alive && !c->draining);
  buffer_clear(&c->body, KEEP_BUFFER);
}

/* Gives the request to whom it is for. */
static void serve_request(struct connection *c) {
  c->exchange =
      (struct exchange){.request = &c->request, .body = {c->body.data, c->body.length}, .peer = c->peer};
  c->state = CONNECTION_GUEST;
  c->deadline_ms = UINT64_MAX;
  if (serve(c->worker, &c->exchange)) connection_answer(c);
}

/* Empty lines before a request are allowed, for clients that send one too many. */
static void skip_empty_lines(struct connection *c) {
  while (c->in.length >= 2 && memcmp(c->in.data, "\r\n", 2) == 0) {
    buffer_consume(&c->in, 2);
    c->seen = 0;
  }
}

static void begin_body(struct connection *c) {
  uint64_t limit = serve_body_limit(c->server, &c->request);
  c->state = CONNECTION_BODY;
  c->chunked = (struct http_chunked){0};
  if (c->request.content_length > limit) {
    refuse(c, 413, "body beyond the route's limit");
    return;
  }
  bool waits =
      c->request.expects_continue && c->in.length == 0 && (c->request.chunked || c->request.content_length);
  if (waits && send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) != 25)
    refuse(c, 500, "cannot send 100 Continue"); /* only to a client whose window is full */
}

/* False: more input is needed. */
static bool take_head(struct connection *c) {
  if (c->seen == 0) skip_empty_lines(c);
  size_t length = http_head_length(c->in.data ? c->in.data : "", c->in.length, c->seen);
  if (c->in.length > 0 && c->seen == 0) {
    memset(&c->request, 0,
           offsetof(struct http_request, headers)); /* for the log, should this one be refused */
    c->started_us = clock_us();
    set_deadline(c); /* once for each request: a client that sends a byte now and then gains nothing */
  }
  if (length > HTTP_MAX_HEAD || (length == 0 && c->in.length > HTTP_MAX_HEAD)) {
    refuse(c, 431, "head too long");
    return true;
  }
  c->seen = length ? 0 : c->in.length;
  if (length == 0) return false;
  c->head.length = 0;
  if (!buffer_append(&c->head, c->in.data, length)) {
    refuse(c, 503, "no memory for the head");
    return true;
  }
  buffer_consume(&c->in, length);
  int status = http_parse(c->head.data, length, &c->request);
  if (status)
    refuse(c, status, "malformed or unsupported head");
  else
    begin_body(c);
  return true;
}

/* False: more input is needed. */
static bool take_body(struct connection *c) {
  size_t used = 0;
  int status = 0;
  bool done;
  if (c->request.chunked) {
    status = http_chunked_feed(&c->chunked, c->in.data, c->in.length, &used, &c->body,
                               serve_body_limit(c->server, &c->request));
    done = c->chunked.done;
  } else {
    uint64_t left = c->request.content_length - c->body.length;
    used = c->in.length < left ? c->in.length : (size_t)left;
    if (!buffer_append(&c->body, c->in.data, used)) status = 500;
    done = c->body.length == c->request.content_length;
  }
  buffer_consume(&c->in, used);
  if (status)
    refuse(c, status, status == 413 ? "body beyond the route's limit" : "malformed body");
  else if (done)
    serve_request(c);
  return status != 0 || done;
}

/* False: the client takes no more for now, or is gone. */
static bool flush(struct connection *c, bool *gone) {
  while (c->sent < c->out.length) {
    ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      *gone = errno != EAGAIN;
      return false;
    }
    c->sent += (size_t)n;
    set_deadline(c);
  }
  c->sent = 0;
  buffer_clear(&c->out, KEEP_BUFFER);
  c->state = c->last ? CONNECTION_LINGER : CONNECTION_HEAD;
  if (!c->last) return true;
  shutdown(c->fd, SHUT_WR);
  c->deadline_ms = clock_ms() + LINGER_MS;
  return true;
}

/* Goes on until input is missing or output is stuck. False: the client is gone. */
static bool advance(struct connection *c) {
  bool gone = false;
  for (;;)
    switch (c->state) {
    case CONNECTION_HEAD:
      if (!take_head(c)) return true;
      break;
    case CONNECTION_BODY:
      if (!take_body(c)) return true;
      break;
    case CONNECTION_GUEST:
      return true;
    case CONNECTION_WRITE:
      if (!flush(c, &gone)) return !gone;
      break;
    case CONNECTION_LINGER:
      c->in.length = 0;
      return true;
    }
}

bool connection_ready(struct connection *c) {
  for (int i = 0; i < PIECES_AT_ONCE; i++) {
    if (!advance(c)) return false;
    if (c->state == CONNECTION_WRITE || c->state == CONNECTION_GUEST) return true;
    if (!buffer_reserve(&c->in, PIECE)) return false;
    ssize_t n = recv(c->fd, c->in.data + c->in.length, PIECE, 0);
    if (n == 0) return false; /* an unfinished request is nobody's any more */
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    c->in.length += (size_t)n;
  }
  return advance(c);
}

bool connection_expired(struct connection *c) {
  if (c->state == CONNECTION_LINGER || c->state == CONNECTION_WRITE || connection_is_idle(c)) return false;
  refuse(c, 408, "the request took too long");
  return advance(c);
}
