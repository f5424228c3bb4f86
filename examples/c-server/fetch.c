/* fetch.c: see fetch.h. Whatever goes wrong is a 502 for the guest: an answer like others. How long it may
 * take is the guest's own deadline. */
#include "fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guests.h"
#include "lucet_http_errors.h"
#include "worker.h"

enum { PIECE = 16384, BAD_GATEWAY = 502 };

static void finish(struct fetch *fetch, int status) {
  fetch->done = true;
  fetch->status = status;
  if (fetch->fd >= 0) close(fetch->fd); /* which takes it out of epoll */
  fetch->fd = -1;
}

static void fail(struct fetch *fetch) {
  fetch->body.length = 0;
  finish(fetch, BAD_GATEWAY);
}

static bool start(struct fetch *fetch, const struct route *route, struct text target) {
  if (!buffer_print(&fetch->out, "GET %.*s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                    (int)target.length, target.data, route->upstream_name))
    return false;
  fetch->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fetch->fd < 0) return false;
  if (connect(fetch->fd, (const struct sockaddr *)&route->upstream, sizeof route->upstream) != 0 &&
      errno != EINPROGRESS)
    return false;
  return worker_watch(fetch->run->worker, EPOLL_CTL_ADD, fetch->fd, EPOLLOUT, &fetch->source);
}

int32_t fetch_begin(struct run *run, struct text target) {
  const struct route *route = run->guest->route;
  int32_t number = 0;
  if (!route->upstream_name[0]) return LUCET_HTTP_FORBIDDEN;
  while (number < RUN_MAX_FETCHES && run->fetches[number])
    number++;
  if (number == RUN_MAX_FETCHES || run->fetched == RUN_MAX_FETCHES_IN_ALL) return LUCET_HTTP_TOO_LARGE;
  struct fetch *fetch = calloc(1, sizeof *fetch);
  if (!fetch) return LUCET_HTTP_TOO_LARGE;
  fetch->source.kind = SOURCE_FETCH;
  fetch->run = run;
  fetch->fd = -1;
  run->fetches[number] = fetch;
  run->fetched++;
  if (!start(fetch, route, target)) fail(fetch);
  return number;
}

struct fetch *fetch_find(const struct run *run, int32_t number) {
  return number >= 0 && number < RUN_MAX_FETCHES ? run->fetches[number] : NULL;
}

/* Sends the request. False: not all of it yet, or it failed. */
static bool send_request(struct fetch *fetch) {
  while (fetch->sent < fetch->out.length) {
    ssize_t n = send(fetch->fd, fetch->out.data + fetch->sent, fetch->out.length - fetch->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (errno != EAGAIN) fail(fetch);
      return false;
    }
    fetch->sent += (size_t)n;
  }
  if (worker_watch(fetch->run->worker, EPOLL_CTL_MOD, fetch->fd, EPOLLIN, &fetch->source)) return true;
  fail(fetch);
  return false;
}

/* Takes the head out of what has come. False: it is not there yet, or it is none. */
static bool take_head(struct fetch *fetch) {
  size_t length = http_head_length(fetch->in.data, fetch->in.length, 0);
  if (length == 0 && fetch->in.length <= HTTP_MAX_HEAD) return false;
  fetch->head.length = 0;
  if (length == 0 || length > HTTP_MAX_HEAD || !buffer_append(&fetch->head, fetch->in.data, length) ||
      !http_parse_response(fetch->head.data, length, &fetch->response)) {
    fail(fetch);
    return false;
  }
  buffer_consume(&fetch->in, length);
  if (fetch->response.status < 200) return take_head(fetch); /* something provisional */
  fetch->has_head = true;
  if (fetch->response.has_length && fetch->response.content_length > FETCH_MAX_BODY) fetch->too_large = true;
  return true;
}

/* Takes what belongs to the body. `end`: the connection has ended. */
static void take_body(struct fetch *fetch, bool end) {
  const struct http_response *response = &fetch->response;
  size_t used = fetch->in.length;
  bool complete = !http_has_body(response->status);
  if (complete) {
    finish(fetch, response->status);
    return;
  }
  if (response->chunked) {
    int status = http_chunked_feed(&fetch->chunked, fetch->in.data, fetch->in.length, &used, &fetch->body,
                                   FETCH_MAX_BODY);
    if (status == 413) fetch->too_large = true;
    if (status != 0 && status != 413) fail(fetch);
    complete = fetch->chunked.done;
  } else {
    if (response->has_length && used > response->content_length - fetch->body.length)
      used = (size_t)(response->content_length - fetch->body.length);
    if (fetch->body.length + used > FETCH_MAX_BODY) fetch->too_large = true;
    if (!fetch->too_large && !buffer_append(&fetch->body, fetch->in.data, used)) fail(fetch);
    complete = response->has_length ? fetch->body.length == response->content_length : end;
  }
  if (fetch->done) return;
  buffer_consume(&fetch->in, used);
  if (fetch->too_large) fetch->body.length = 0;
  if (fetch->too_large || complete)
    finish(fetch, response->status);
  else if (end)
    fail(fetch);
}

static void receive(struct fetch *fetch) {
  while (!fetch->done) {
    if (!buffer_reserve(&fetch->in, PIECE)) {
      fail(fetch);
      return;
    }
    ssize_t n = recv(fetch->fd, fetch->in.data + fetch->in.length, PIECE, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      fail(fetch);
      return;
    }
    fetch->in.length += (size_t)n;
    if (!fetch->has_head) take_head(fetch);
    if (!fetch->done && fetch->has_head) take_body(fetch, n == 0);
    if (!fetch->done && n == 0) fail(fetch);
  }
}

void fetch_ready(struct fetch *fetch) {
  struct run *run = fetch->run;
  if (fetch->done) return;
  if (fetch->sent == fetch->out.length || send_request(fetch)) receive(fetch);
  if (fetch->done && run->state == RUN_WAITING && run->wait.fetch == fetch) run_wake(run);
}

void fetch_free(struct fetch *fetch) {
  if (!fetch) return;
  for (size_t i = 0; i < RUN_MAX_FETCHES; i++)
    if (fetch->run->fetches[i] == fetch) fetch->run->fetches[i] = NULL;
  if (fetch->fd >= 0) close(fetch->fd);
  buffer_free(&fetch->out);
  buffer_free(&fetch->in);
  buffer_free(&fetch->head);
  buffer_free(&fetch->body);
  worker_bury(fetch->run->worker, &fetch->source);
}
