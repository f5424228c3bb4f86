/* host_response.c: what a guest does with the response: its own, or in a filter that of others. See host.h
 * for the rules. */
#include "host.h"

#include "response.h"

/* Whether status and headers can still be changed, and by a run of this kind. */
static ngx_flag_t is_open(const struct run *run) {
  return run->kind <= RUN_HEADER_FILTER && !run->committed && !run->header_sent;
}

static int32_t resp_status(lucet_call *call, int32_t status) {
  struct run *run = run_of(call);
  if (!rules_is_status(status)) return LUCET_HTTP_INVALID;
  if (!is_open(run)) return LUCET_HTTP_TOO_LATE;
  run->status = status;
  return 0;
}

static int32_t resp_get_status(lucet_call *call) {
  struct run *run = run_of(call);
  return run->kind <= RUN_ACCESS ? run->status : (int32_t)run->r->headers_out.status;
}

/* The name and value of a header that may be changed; *error is what to answer otherwise. */
static ngx_flag_t take_header(lucet_call *call, struct run *run, const char *name, uint32_t name_length,
                              const char *value, uint32_t value_length, int32_t *error) {
  (void)call;
  size_t bytes = (size_t)name_length + value_length + 4;
  *error = run->header_bytes + bytes > RULES_MAX_HEADERS
               ? LUCET_HTTP_TOO_LARGE
               : rules_check_header(name, name_length, value, value_length);
  if (*error == 0 && !is_open(run)) *error = LUCET_HTTP_TOO_LATE;
  if (*error) return 0;
  run->header_bytes += bytes;
  return 1;
}

static int32_t add_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t value,
                          uint32_t value_length, ngx_flag_t replace) {
  struct run *run = run_of(call);
  int32_t error;
  const char *n = host_input(call, name, name_length), *v = n ? host_input(call, value, value_length) : NULL;
  if (!v || !take_header(call, run, n, name_length, v, value_length, &error)) return v ? error : 0;
  if (replace) response_remove_header(run->r, text_of(n, name_length));
  return response_add_header(run->r, text_of(n, name_length), text_of(v, value_length)) == NGX_OK
             ? 0
             : LUCET_HTTP_TOO_LARGE;
}

static int32_t resp_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t value,
                           uint32_t value_length) {
  return add_header(call, name, name_length, value, value_length, 0);
}

static int32_t resp_header_set(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t value,
                               uint32_t value_length) {
  return add_header(call, name, name_length, value, value_length, 1);
}

static int32_t resp_header_remove(lucet_call *call, uint32_t name, uint32_t name_length) {
  struct run *run = run_of(call);
  const char *n = host_input(call, name, name_length);
  if (!n) return 0;
  int32_t error = rules_check_header(n, name_length, "", 0);
  if (error) return error;
  if (!is_open(run)) return LUCET_HTTP_TOO_LATE;
  return (int32_t)response_remove_header(run->r, text_of(n, name_length));
}

static int32_t resp_get_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t buffer,
                               uint32_t capacity) {
  const char *n = host_input(call, name, name_length);
  char *out = n ? host_output(call, buffer, capacity) : NULL;
  if (!out) return 0;
  ngx_str_t value = response_find_header(run_of(call)->r, text_of(n, name_length));
  return value.data ? fill(out, capacity, value) : LUCET_HTTP_NOT_FOUND;
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

static int32_t resp_write(lucet_call *call, uint32_t bytes, uint32_t length) {
  struct run *run = run_of(call);
  const char *data = host_input(call, bytes, length);
  if (!data) return 0;
  if (run->kind == RUN_HEADER_FILTER) return LUCET_HTTP_FORBIDDEN;
  run->committed = 1;
  if (length > run->conf->response_max - run->output.total) return LUCET_HTTP_TOO_LARGE;
  if (output_append(run->r->pool, &run->output, (const u_char *)data, length) != NGX_OK) {
    lucet_call_trap(call, LUCET_TRAP_HOST); /* no memory */
    return 0;
  }
  if (run->kind == RUN_CONTENT && run->output.size >= run->conf->buffer) return push(call, run);
  return 0;
}

static int32_t resp_flush(lucet_call *call) {
  struct run *run = run_of(call);
  run->committed = 1;
  return run->kind == RUN_CONTENT ? push(call, run) : 0;
}

const lucet_host_function host_response_functions[] = {
    LUCET_HOST("resp_status", resp_status, int32_t, int32_t),
    LUCET_HOST("resp_get_status", resp_get_status, int32_t),
    LUCET_HOST("resp_header", resp_header, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_header_set", resp_header_set, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_header_remove", resp_header_remove, int32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_get_header", resp_get_header, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_write", resp_write, int32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_flush", resp_flush, int32_t),
};
const size_t host_response_count = sizeof host_response_functions / sizeof host_response_functions[0];
