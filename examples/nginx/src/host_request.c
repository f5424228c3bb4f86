/* host_request.c: what a guest sees of the request. See host.h for the rules. */
#include "host.h"

#include "body.h"

/* The target as the client has sent it; a subrequest has one of its own. */
static ngx_str_t target_of(const struct run *run) {
  ngx_http_request_t *r = run->r;
  if (r == r->main) return r->unparsed_uri;
  if (!r->args.len) return r->uri;
  ngx_str_t target = {r->uri.len + 1 + r->args.len, ngx_pnalloc(r->pool, r->uri.len + 1 + r->args.len)};
  if (!target.data) return r->uri;
  ngx_sprintf(target.data, "%V?%V", &r->uri, &r->args);
  return target;
}

int32_t lucet_http_req_method(lucet_call *call, lucet_bytes_out out) {
  return fill(out, run_of(call)->r->method_name);
}

int32_t lucet_http_req_uri(lucet_call *call, lucet_bytes_out out) {
  return fill(out, target_of(run_of(call)));
}

/* The first header of a name, or with no name the one of a number. */
static const ngx_table_elt_t *find(const ngx_http_request_t *r, const ngx_str_t *name, uint32_t index) {
  for (const ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
    const ngx_table_elt_t *headers = part->elts;
    if (!name && index >= part->nelts) {
      index -= (uint32_t)part->nelts;
      continue;
    }
    if (!name) return &headers[index];
    for (ngx_uint_t i = 0; i < part->nelts; i++)
      if (headers[i].key.len == name->len && ngx_strncasecmp(headers[i].key.data, name->data, name->len) == 0)
        return &headers[i];
  }
  return NULL;
}

int32_t lucet_http_req_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  ngx_str_t wanted = text_of(name);
  const ngx_table_elt_t *header = find(run_of(call)->r, &wanted, 0);
  return header ? fill(out, header->value) : LUCET_HTTP_NOT_FOUND;
}

int64_t lucet_http_req_header_at(lucet_call *call, uint32_t index, lucet_bytes_out name,
                                 lucet_bytes_out value) {
  const ngx_table_elt_t *header = find(run_of(call)->r, NULL, index);
  if (!header) return LUCET_HTTP_NOT_FOUND;
  int64_t length = fill(name, header->key);
  return length << 32 | fill(value, header->value);
}

/* ---- the body ---- */

static lucet_value answer_length(struct run *run) { return lucet_value_i64((int64_t)body_length(run)); }

int64_t lucet_http_req_body_len(lucet_call *call) {
  struct run *run = run_of(call);
  if (body_is_there(run)) return (int64_t)body_length(run);
  return run_wait(call, run, WAIT_BODY, answer_length) == NGX_OK ? 0 : LUCET_HTTP_CANNOT_WAIT;
}

static int32_t copy_body(const struct run *run, uint64_t offset, lucet_bytes_out out) {
  if (out.size > INT32_MAX) out.size = INT32_MAX;
  ssize_t n = body_copy(run, offset, out.data, out.size);
  return n < 0 ? LUCET_HTTP_NOT_FOUND : (int32_t)n;
}

static lucet_value answer_read(struct run *run) {
  return lucet_value_i32(copy_body(run, run->wait.offset, kept_range(run)));
}

int32_t lucet_http_req_body_read(lucet_call *call, uint64_t offset, lucet_bytes_out out) {
  struct run *run = run_of(call);
  if (body_is_there(run)) return copy_body(run, offset, out);
  keep_range(call, out);
  run->wait.offset = offset;
  return run_wait(call, run, WAIT_BODY, answer_read) == NGX_OK ? 0 : LUCET_HTTP_CANNOT_WAIT;
}
