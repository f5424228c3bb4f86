/* host.c: the host's side of lucet_http_v0 (docs/guest-abi.md).
 *
 * Invariants: a range that a guest names is checked as a whole before anything else happens, and the guest
 * traps if it is not inside its memory. Checked pointers are used within the call only. Everything a guest
 * can make grow is bounded by its exchange. */
#include "host.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "exchange.h"
#include "log.h"
#include "lucet_http_errors.h"
#include "memory.h"
#include "rules.h"
#include "wasi.h"

enum { MAX_LOG_LINES = 100 };

static struct exchange *exchange_of(lucet_call *call) { return lucet_call_instance_data(call); }

/* Copies what fits and answers the full length. Texts of a request are shorter than its head. */
static int32_t fill(char *buffer, uint32_t capacity, struct text text) {
  size_t length = text.length < capacity ? text.length : capacity;
  if (length > 0) memcpy(buffer, text.data, length);
  return (int32_t)text.length;
}

/* ---- the request ---- */

static int32_t req_method(lucet_call *call, uint32_t buffer, uint32_t capacity) {
  char *out = host_output(call, buffer, capacity);
  return out ? fill(out, capacity, exchange_of(call)->request->method) : 0;
}

static int32_t req_uri(lucet_call *call, uint32_t buffer, uint32_t capacity) {
  char *out = host_output(call, buffer, capacity);
  return out ? fill(out, capacity, exchange_of(call)->request->target) : 0;
}

static int32_t req_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t buffer,
                          uint32_t capacity) {
  const char *wanted = host_input(call, name, name_length);
  char *out = wanted ? host_output(call, buffer, capacity) : NULL;
  if (!out) return 0;
  const struct http_header *header = http_find(exchange_of(call)->request, wanted, name_length);
  return header ? fill(out, capacity, header->value) : LUCET_HTTP_NOT_FOUND;
}

static int64_t req_header_at(lucet_call *call, uint32_t index, uint32_t name, uint32_t name_capacity,
                             uint32_t value, uint32_t value_capacity) {
  char *name_out = host_output(call, name, name_capacity);
  char *value_out = name_out ? host_output(call, value, value_capacity) : NULL;
  if (!value_out) return 0;
  const struct http_request *request = exchange_of(call)->request;
  if (index >= request->header_count) return LUCET_HTTP_NOT_FOUND;
  const struct http_header *header = &request->headers[index];
  int64_t length = fill(name_out, name_capacity, header->name);
  return length << 32 | fill(value_out, value_capacity, header->value);
}

static int64_t req_body_len(lucet_call *call) { return (int64_t)exchange_of(call)->body.length; }

static int32_t req_body_read(lucet_call *call, uint64_t offset, uint32_t buffer, uint32_t capacity) {
  char *out = host_output(call, buffer, capacity);
  if (!out) return 0;
  struct text body = exchange_of(call)->body;
  if (offset >= body.length || capacity == 0) return 0;
  size_t left = body.length - (size_t)offset, length = left < capacity ? left : capacity;
  if (length > INT32_MAX) length = INT32_MAX;
  memcpy(out, body.data + offset, length);
  return (int32_t)length;
}

/* ---- the response ---- */

static int32_t resp_status(lucet_call *call, int32_t status) {
  struct exchange *exchange = exchange_of(call);
  if (!rules_is_status(status)) return LUCET_HTTP_INVALID;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  exchange->status = status;
  return 0;
}

static int32_t resp_header(lucet_call *call, uint32_t name, uint32_t name_length, uint32_t value,
                           uint32_t value_length) {
  const char *n = host_input(call, name, name_length), *v = n ? host_input(call, value, value_length) : NULL;
  if (!v) return 0;
  struct exchange *exchange = exchange_of(call);
  if (exchange->headers.length + name_length + (uint64_t)value_length + 4 > RULES_MAX_HEADERS)
    return LUCET_HTTP_TOO_LARGE;
  int32_t error = rules_check_header(n, name_length, v, value_length);
  if (error) return error;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  size_t before = exchange->headers.length;
  if (buffer_append(&exchange->headers, n, name_length) && buffer_append(&exchange->headers, ": ", 2) &&
      buffer_append(&exchange->headers, v, value_length) && buffer_append(&exchange->headers, "\r\n", 2))
    return 0;
  exchange->headers.length = before;
  return LUCET_HTTP_TOO_LARGE;
}

bool host_write_body(struct exchange *exchange, const char *bytes, size_t length) {
  exchange->committed = true;
  return length <= exchange->response_limit - exchange->out.length &&
         buffer_append(&exchange->out, bytes, length);
}

static int32_t resp_write(lucet_call *call, uint32_t bytes, uint32_t length) {
  const char *data = host_input(call, bytes, length);
  if (!data) return 0;
  return host_write_body(exchange_of(call), data, length) ? 0 : LUCET_HTTP_TOO_LARGE;
}

/* ---- everything else ---- */

bool host_log(struct exchange *exchange, const char *level, const char *text, size_t length) {
  struct buffer line = {0};
  if (length > RULES_MAX_LOG_LINE || exchange->log_lines >= MAX_LOG_LINES) return false;
  exchange->log_lines++;
  log_escape(&line, text, length);
  log_error("guest %s: %s: %.*s", exchange->guest, level, (int)line.length, line.data ? line.data : "");
  buffer_free(&line);
  return true;
}

static int32_t guest_log(lucet_call *call, int32_t level, uint32_t text, uint32_t length) {
  static const char *const levels[] = {"error", "warning", "info"};
  const char *data = host_input(call, text, length);
  if (!data) return 0;
  if (level < 0 || level > 2) return LUCET_HTTP_INVALID;
  return host_log(exchange_of(call), levels[level], data, length) ? 0 : LUCET_HTTP_TOO_LARGE;
}

static int64_t now_ms(lucet_call *call) {
  struct timespec now;
  (void)call;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void host_random(char *out, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t got = getrandom(out + done, length - done, 0);
    if (got > 0) done += (size_t)got; /* anything else: interrupted */
  }
}

static int32_t random_bytes(lucet_call *call, uint32_t buffer, uint32_t length) {
  char *out = host_output(call, buffer, length);
  if (!out) return 0;
  if (length > RULES_MAX_RANDOM) return LUCET_HTTP_TOO_LARGE;
  host_random(out, length);
  return 0;
}

/* ---- demo: a host function that calls the guest back ---- */

static int32_t call_back(lucet_call *call, int32_t function, int32_t argument) {
  lucet_value callee, parameter = lucet_value_i32(argument);
  lucet_outcome outcome;
  if (lucet_instance_table_get(lucet_call_instance(call), "__indirect_function_table", (uint32_t)function,
                               &callee) ||
      callee.type != LUCET_FUNCREF) {
    lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
    return 0;
  }
  /* A refusal (too deep, wrong type) or a trap inside ends the guest when this function returns. */
  lucet_status status = lucet_call_funcref(call, callee.of.funcref, &parameter, 1, &outcome);
  if (status == LUCET_OK && outcome.kind == LUCET_RETURNED && outcome.value_count == 1)
    return outcome.values[0].of.i32;
  if (outcome.kind == LUCET_NOT_RUN)
    lucet_call_trap(call, status == LUCET_DEPTH ? LUCET_TRAP_DEPTH : LUCET_TRAP_HOST_ARGUMENT);
  return 0;
}

static const lucet_host_function http_functions[] = {
    LUCET_HOST("req_method", req_method, int32_t, uint32_t, uint32_t),
    LUCET_HOST("req_uri", req_uri, int32_t, uint32_t, uint32_t),
    LUCET_HOST("req_header", req_header, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("req_header_at", req_header_at, int64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("req_body_len", req_body_len, int64_t),
    LUCET_HOST("req_body_read", req_body_read, int32_t, uint64_t, uint32_t, uint32_t),
    LUCET_HOST("resp_status", resp_status, int32_t, int32_t),
    LUCET_HOST("resp_header", resp_header, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("resp_write", resp_write, int32_t, uint32_t, uint32_t),
    LUCET_HOST("log", guest_log, int32_t, int32_t, uint32_t, uint32_t),
    LUCET_HOST("now_ms", now_ms, int64_t),
    LUCET_HOST("random", random_bytes, int32_t, uint32_t, uint32_t),
};

static const lucet_host_function demo_functions[] = {
    LUCET_HOST("call_back", call_back, int32_t, int32_t, int32_t),
};

lucet_status host_define(lucet_linker *linker) {
  lucet_status status = lucet_linker_define(linker, "lucet_http_v0", http_functions,
                                            sizeof http_functions / sizeof http_functions[0], NULL);
  if (!status) status = lucet_linker_define(linker, "demo", demo_functions, 1, NULL);
  return status ? status : wasi_define(linker);
}

void host_region_log(void *data, int level, const char *text, size_t length) {
  static const char *const levels[] = {"error", "warning", "info"};
  (void)data;
  log_error("lucet: %s: %.*s", level >= 0 && level < 3 ? levels[level] : "guest",
            (int)(length < 1024 ? length : 1024), text);
}
