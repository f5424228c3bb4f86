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

static int32_t req_method(lucet_call *call, uint32_t buffer, uint32_t capacity) {
  char *out = host_output(call, buffer, capacity);
  return out ? fill(out, capacity, run_of(call)->r->method_name) : 0;
}

static int32_t req_uri(lucet_call *call, uint32_t buffer, uint32_t capacity) {
  char *out = host_output(call, buffer, capacity);
  return out ? fill(out, capacity, target_of(run_of(call))) : 0;
}

/* The first header of a name, or with no name the one of a number. */
static const ngx_table_elt_t *find(const ngx_http_request_t *r, ngx_str_t name, uint32_t index) {
  for (const ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next) {
    const ngx_table_elt_t *headers = part->elts;
    if (!name.data && index >= part->nelts) {
      index -= (uint32_t)part->nelts;
      continue;
    }
    if (!name.data) return &headers[index];
    for (ngx_uint_t i = 0; i < part->nelts; i++)
      if (headers[i].key.len == name.len && ngx_strncasecmp(headers[i].key.data, name.data, name.len) == 0)
        return &headers[i];
  }
  return NULL;
}

static int32_t req_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t buffer,
                          uint32_t capacity) {
  const char *wanted = host_input(call, name, name_length);
  char *out = wanted ? host_output(call, buffer, capacity) : NULL;
  if (!out) return 0;
  const ngx_table_elt_t *header = find(run_of(call)->r, text_of(wanted, name_length), 0);
  return header ? fill(out, capacity, header->value) : LUCET_HTTP_NOT_FOUND;
}

static int64_t req_header_at(lucet_call *call, uint32_t index, uint32_t name, uint32_t name_capacity,
                             uint32_t value, uint32_t value_capacity) {
  ngx_str_t any = ngx_null_string;
  char *name_out = host_output(call, name, name_capacity);
  char *value_out = name_out ? host_output(call, value, value_capacity) : NULL;
  if (!value_out) return 0;
  const ngx_table_elt_t *header = find(run_of(call)->r, any, index);
  if (!header) return LUCET_HTTP_NOT_FOUND;
  int64_t length = fill(name_out, name_capacity, header->key);
  return length << 32 | fill(value_out, value_capacity, header->value);
}

/* ---- the body ---- */

static lucet_value answer_length(struct run *run) { return lucet_value_i64((int64_t)body_length(run)); }

static int64_t req_body_len(lucet_call *call) {
  struct run *run = run_of(call);
  if (body_is_there(run)) return (int64_t)body_length(run);
  return run_wait(call, run, WAIT_BODY, answer_length) == NGX_OK ? 0 : LUCET_HTTP_CANNOT_WAIT;
}

static lucet_value answer_read(struct run *run) {
  u_char *out = answer_range(run);
  if (!out) return lucet_value_i32(LUCET_HTTP_INVALID);
  ssize_t n = body_copy(run, run->wait.offset, out, run->wait.length);
  return lucet_value_i32(n < 0 ? LUCET_HTTP_NOT_FOUND : (int32_t)n);
}

static int32_t req_body_read(lucet_call *call, uint64_t offset, uint32_t buffer, uint32_t capacity) {
  struct run *run = run_of(call);
  char *out = host_output(call, buffer, capacity);
  if (!out) return 0;
  if (capacity > INT32_MAX) capacity = INT32_MAX;
  if (body_is_there(run)) {
    ssize_t n = body_copy(run, offset, (u_char *)out, capacity);
    return n < 0 ? LUCET_HTTP_NOT_FOUND : (int32_t)n;
  }
  run->wait.offset = offset;
  run->wait.address = buffer;
  run->wait.length = capacity;
  return run_wait(call, run, WAIT_BODY, answer_read) == NGX_OK ? 0 : LUCET_HTTP_CANNOT_WAIT;
}

const lucet_host_function host_request_functions[] = {
    LUCET_HOST("req_method", req_method, int32_t, uint32_t, uint32_t),
    LUCET_HOST("req_uri", req_uri, int32_t, uint32_t, uint32_t),
    LUCET_HOST("req_header", req_header, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("req_header_at", req_header_at, int64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("req_body_len", req_body_len, int64_t),
    LUCET_HOST("req_body_read", req_body_read, int32_t, uint64_t, uint32_t, uint32_t),
};
const size_t host_request_count = sizeof host_request_functions / sizeof host_request_functions[0];
