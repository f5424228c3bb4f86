/* host_response.c: what a guest does with the response: its own, or in a filter that of others. See host.h
 * for the rules. */
#include "host.h"

#include "response.h"

/* Whether status and headers can still be changed, and by a run of this kind. */
static ngx_flag_t is_open(const struct run *run) {
  return run->kind <= RUN_HEADER_FILTER && !run->committed && !run->header_sent;
}

int32_t lucet_http_resp_status(lucet_call *call, int32_t status) {
  struct run *run = run_of(call);
  if (!rules_is_status(status)) return LUCET_HTTP_INVALID;
  if (!is_open(run)) return LUCET_HTTP_TOO_LATE;
  run->status = status;
  return 0;
}

int32_t lucet_http_resp_get_status(lucet_call *call) {
  struct run *run = run_of(call);
  return run->kind <= RUN_ACCESS ? run->status : (int32_t)run->r->headers_out.status;
}

static int32_t add_header(struct run *run, ngx_str_t name, ngx_str_t value, ngx_flag_t replace) {
  size_t bytes = name.len + value.len + 4;
  if (run->header_bytes + bytes > RULES_MAX_HEADERS) return LUCET_HTTP_TOO_LARGE;
  int32_t error = rules_check_header((char *)name.data, name.len, (char *)value.data, value.len);
  if (error) return error;
  if (!is_open(run)) return LUCET_HTTP_TOO_LATE;
  run->header_bytes += bytes;
  if (replace) response_remove_header(run->r, name);
  return response_add_header(run->r, name, value) == NGX_OK ? 0 : LUCET_HTTP_TOO_LARGE;
}

int32_t lucet_http_resp_header(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(run_of(call), text_of(name), text_of(value), 0);
}

int32_t lucet_http_resp_header_set(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(run_of(call), text_of(name), text_of(value), 1);
}

int32_t lucet_http_resp_header_remove(lucet_call *call, lucet_bytes name) {
  struct run *run = run_of(call);
  int32_t error = rules_check_header((const char *)name.data, name.size, "", 0);
  if (error) return error;
  return is_open(run) ? (int32_t)response_remove_header(run->r, text_of(name)) : LUCET_HTTP_TOO_LATE;
}

int32_t lucet_http_resp_get_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  ngx_str_t value = response_find_header(run_of(call)->r, text_of(name));
  return value.data ? fill(out, value) : LUCET_HTTP_NOT_FOUND;
}

/* ---- the body ---- */

static lucet_value answer_zero(struct run *run) {
  (void)run;
  return lucet_value_i32(0);
}

/* Passes on what there is, if the guest can be left for that; else it is kept and goes with the rest. */
static int32_t push(lucet_call *call, struct run *run) {
  (void)run_wait(call, run, WAIT_OUTPUT, answer_zero);
  return 0;
}

int32_t lucet_http_resp_write(lucet_call *call, lucet_bytes bytes) {
  struct run *run = run_of(call);
  if (run->kind == RUN_HEADER_FILTER) return LUCET_HTTP_FORBIDDEN;
  run->committed = 1;
  if (bytes.size > run->conf->response_max - run->output.total) return LUCET_HTTP_TOO_LARGE;
  if (output_append(run->r->pool, &run->output, bytes.data, bytes.size) != NGX_OK) {
    lucet_call_trap(call, LUCET_TRAP_HOST); /* no memory */
    return 0;
  }
  if (run->kind == RUN_CONTENT && run->output.size >= run->conf->buffer) return push(call, run);
  return 0;
}

int32_t lucet_http_resp_flush(lucet_call *call) {
  struct run *run = run_of(call);
  run->committed = 1;
  return run->kind == RUN_CONTENT ? push(call, run) : 0;
}
