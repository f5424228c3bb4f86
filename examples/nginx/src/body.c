/* body.c: see body.h. Parts of a long body are in a temporary file.
 *
 * References: nginx takes one while it reads, and gives up the request by itself if the body is malformed.
 * The run's own reference, which it has while it waits, is then one too many; so body_begin gives nginx's
 * back at once, and the one that is left is whosever turn it is.
 *
 * A part of a body: a request that ends before its body is there goes nowhere else, neither by error_page nor to
 * a named location. What it would be proxied with is its Content-Length and the part that has come, and the
 * upstream would take what comes next on its connection, another client's request, for the rest. The client's
 * connection is closed for the same reason. All of that holds from the moment that nginx begins to read, as nginx
 * ends requests by itself (408, 413). */
#include "body.h"

#include "access.h"
#include "content.h"

ngx_flag_t body_is_there(const struct run *run) {
  const ngx_http_request_t *r = run->r;
  if (run->body_read || r != r->main || r->discard_body) return 1;
  if (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked) return 1;
  return r->request_body && !r->reading_body;
}

static void body_is_partial(struct run *run) {
  ngx_http_request_t *r = run->r;
  run->partial = 1;
  run->had_error_page = r->error_page;
  run->had_keepalive = r->keepalive;
  r->error_page = 1; /* as if one had been sent */
  r->keepalive = 0;
  r->lingering_close = 1;
}

static void body_is_whole(struct run *run) {
  if (!run->partial) return;
  run->partial = 0;
  run->r->error_page = run->had_error_page;
  run->r->keepalive = run->had_keepalive;
}

static void on_body(ngx_http_request_t *r) {
  struct run *run = ngx_http_get_module_ctx(r, ngx_http_lucet_module);
  if (!run) return;
  run->body_read = 1;
  body_is_whole(run);
  if (run->reading_body) return; /* body_begin has not returned yet */
  if (run->state != RUN_WAITING) return;
  if (run_go(run) != NGX_AGAIN) run->kind == RUN_CONTENT ? content_settle(run) : access_settle(run);
}

ngx_int_t body_begin(struct run *run) {
  ngx_http_request_t *r = run->r;
  ngx_http_event_handler_pt on_write = r->write_event_handler;
  run->reading_body = 1;
  body_is_partial(run);
  ngx_int_t rc = ngx_http_read_client_request_body(r, on_body);
  run->reading_body = 0;
  if (rc >= NGX_HTTP_SPECIAL_RESPONSE || rc == NGX_ERROR) return rc == NGX_ERROR ? NGX_HTTP_BAD_REQUEST : rc;
  r->main->count--;
  if (!run->body_read) return NGX_AGAIN;
  r->write_event_handler = on_write;
  return NGX_OK;
}

off_t body_length(const struct run *run) {
  off_t length = 0;
  if (!run->r->request_body) return 0;
  for (const ngx_chain_t *link = run->r->request_body->bufs; link; link = link->next)
    length += ngx_buf_size(link->buf);
  return length;
}

static ssize_t copy_from(ngx_buf_t *b, off_t offset, u_char *out, size_t length) {
  if (ngx_buf_in_memory(b)) {
    ngx_memcpy(out, b->pos + offset, length);
    return (ssize_t)length;
  }
  return ngx_read_file(b->file, out, length, b->file_pos + offset);
}

ssize_t body_copy(const struct run *run, uint64_t offset, u_char *out, size_t length) {
  size_t done = 0;
  if (!run->r->request_body) return 0;
  for (ngx_chain_t *link = run->r->request_body->bufs; link && done < length; link = link->next) {
    uint64_t size = (uint64_t)ngx_buf_size(link->buf);
    if (offset >= size) {
      offset -= size;
      continue;
    }
    size_t piece = length - done < size - offset ? length - done : (size_t)(size - offset);
    if (copy_from(link->buf, (off_t)offset, out + done, piece) != (ssize_t)piece) return NGX_ERROR;
    done += piece;
    offset = 0;
  }
  return (ssize_t)done;
}
