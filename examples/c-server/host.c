/* host.c: see host.h: everything that does not wait. */
#include "host.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "exchange.h"
#include "guests.h"
#include "headers.h"
#include "log.h"
#include "lucet_http_errors.h"
#include "rules.h"
#include "wasi.h"

enum { MAX_LOG_LINES = 100 };

static struct exchange *exchange_of(lucet_call *call) { return lucet_call_instance_data(call); }

/* ---- the request ---- */

static int32_t req_method(lucet_call *call, lucet_bytes_out out) {
  return host_fill(out, exchange_of(call)->request->method);
}

static int32_t req_uri(lucet_call *call, lucet_bytes_out out) {
  return host_fill(out, exchange_of(call)->request->target);
}

static int32_t req_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  const struct http_header *header =
      http_find(&exchange_of(call)->request->headers, (const char *)name.data, name.size);
  return header ? host_fill(out, header->value) : LUCET_HTTP_NOT_FOUND;
}

static int64_t req_header_at(lucet_call *call, uint32_t index, lucet_bytes_out name, lucet_bytes_out value) {
  const struct http_headers *headers = &exchange_of(call)->request->headers;
  if (index >= headers->count) return LUCET_HTTP_NOT_FOUND;
  int64_t length = host_fill(name, headers->all[index].name);
  return length << 32 | host_fill(value, headers->all[index].value);
}

/* The body has arrived before the guest begins, so these do not wait. */
static int64_t req_body_len(lucet_call *call) { return (int64_t)exchange_of(call)->body.length; }

static int32_t req_body_read(lucet_call *call, uint64_t offset, lucet_bytes_out out) {
  return host_copy(out, exchange_of(call)->body, offset);
}

/* ---- the response ---- */

static int32_t resp_status(lucet_call *call, int32_t status) {
  struct exchange *exchange = exchange_of(call);
  if (!rules_is_status(status)) return LUCET_HTTP_INVALID;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  exchange->status = status;
  return 0;
}

static int32_t resp_get_status(lucet_call *call) { return exchange_of(call)->status; }

static int32_t add_header(struct exchange *exchange, struct text name, struct text value, bool replace) {
  if (exchange->headers.length + name.length + value.length + 4 > RULES_MAX_HEADERS)
    return LUCET_HTTP_TOO_LARGE;
  int32_t error = rules_check_header(name.data, name.length, value.data, value.length);
  if (error) return error;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  if (replace) headers_remove(&exchange->headers, name);
  return headers_add(&exchange->headers, name, value) ? 0 : LUCET_HTTP_TOO_LARGE;
}

static int32_t resp_header(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(exchange_of(call), host_text(name), host_text(value), false);
}

static int32_t resp_header_set(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(exchange_of(call), host_text(name), host_text(value), true);
}

static int32_t resp_header_remove(lucet_call *call, lucet_bytes name) {
  struct exchange *exchange = exchange_of(call);
  int32_t error = rules_check_header((const char *)name.data, name.size, "", 0);
  if (error) return error;
  return exchange->committed ? LUCET_HTTP_TOO_LATE : headers_remove(&exchange->headers, host_text(name));
}

static int32_t resp_get_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  struct text value = headers_find(&exchange_of(call)->headers, host_text(name));
  return value.data ? host_fill(out, value) : LUCET_HTTP_NOT_FOUND;
}

bool host_write_body(struct exchange *exchange, const char *bytes, size_t length) {
  exchange->committed = true;
  return length <= exchange->response_limit - exchange->out.length &&
         buffer_append(&exchange->out, bytes, length);
}

static int32_t resp_write(lucet_call *call, lucet_bytes bytes) {
  return host_write_body(exchange_of(call), (const char *)bytes.data, bytes.size) ? 0 : LUCET_HTTP_TOO_LARGE;
}

/* This server collects responses. */
static int32_t resp_flush(lucet_call *call) {
  exchange_of(call)->committed = true;
  return 0;
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

static int32_t guest_log(lucet_call *call, int32_t level, lucet_bytes text) {
  static const char *const levels[] = {"error", "warning", "info"};
  if (level < 0 || level > 2) return LUCET_HTTP_INVALID;
  return host_log(exchange_of(call), levels[level], (const char *)text.data, text.size)
             ? 0
             : LUCET_HTTP_TOO_LARGE;
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

static int32_t random_bytes(lucet_call *call, lucet_bytes_out out) {
  (void)call;
  if (out.size > RULES_MAX_RANDOM) return LUCET_HTTP_TOO_LARGE;
  host_random((char *)out.data, out.size);
  return 0;
}

static int32_t config(lucet_call *call, lucet_bytes_out out) {
  const char *text = exchange_of(call)->run.guest->route->config;
  return host_fill(out, (struct text){text, strlen(text)});
}

/* The client's address, and the route; others are not for guests to know. */
static int32_t variable(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  const struct exchange *exchange = exchange_of(call);
  if (text_is(host_text(name), "remote_addr"))
    return host_fill(out, (struct text){exchange->peer, strcspn(exchange->peer, ":")});
  if (text_is(host_text(name), "route"))
    return host_fill(out, (struct text){exchange->guest, strlen(exchange->guest)});
  return LUCET_HTTP_FORBIDDEN;
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
    LUCET_HOST("req_method", req_method, int32_t, lucet_bytes_out),
    LUCET_HOST("req_uri", req_uri, int32_t, lucet_bytes_out),
    LUCET_HOST("req_header", req_header, int32_t, lucet_bytes, lucet_bytes_out),
    LUCET_HOST("req_header_at", req_header_at, int64_t, uint32_t, lucet_bytes_out, lucet_bytes_out),
    LUCET_HOST("req_body_len", req_body_len, int64_t),
    LUCET_HOST("req_body_read", req_body_read, int32_t, uint64_t, lucet_bytes_out),
    LUCET_HOST("resp_status", resp_status, int32_t, int32_t),
    LUCET_HOST("resp_get_status", resp_get_status, int32_t),
    LUCET_HOST("resp_header", resp_header, int32_t, lucet_bytes, lucet_bytes),
    LUCET_HOST("resp_header_set", resp_header_set, int32_t, lucet_bytes, lucet_bytes),
    LUCET_HOST("resp_header_remove", resp_header_remove, int32_t, lucet_bytes),
    LUCET_HOST("resp_get_header", resp_get_header, int32_t, lucet_bytes, lucet_bytes_out),
    LUCET_HOST("resp_write", resp_write, int32_t, lucet_bytes),
    LUCET_HOST("resp_flush", resp_flush, int32_t),
    LUCET_HOST("log", guest_log, int32_t, int32_t, lucet_bytes),
    LUCET_HOST("now_ms", now_ms, int64_t),
    LUCET_HOST("random", random_bytes, int32_t, lucet_bytes_out),
    LUCET_HOST("config", config, int32_t, lucet_bytes_out),
    LUCET_HOST("variable", variable, int32_t, lucet_bytes, lucet_bytes_out),
};

static const lucet_host_function demo_functions[] = {
    LUCET_HOST("call_back", call_back, int32_t, int32_t, int32_t),
};

lucet_status host_define(lucet_linker *linker) {
  lucet_status status = lucet_linker_define(linker, "lucet_http_v0", http_functions,
                                            sizeof http_functions / sizeof http_functions[0], NULL);
  if (!status)
    status = lucet_linker_define(linker, "lucet_http_v0", host_wait_functions, host_wait_count, NULL);
  if (!status) status = lucet_linker_define(linker, "demo", demo_functions, 1, NULL);
  return status ? status : wasi_define(linker);
}

void host_region_log(void *data, int level, const char *text, size_t length) {
  static const char *const levels[] = {"error", "warning", "info"};
  (void)data;
  log_error("lucet: %s: %.*s", level >= 0 && level < 3 ? levels[level] : "guest",
            (int)(length < 1024 ? length : 1024), text);
}
