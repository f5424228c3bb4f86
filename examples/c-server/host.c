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
#include "lucet_http_host.h"
#include "rules.h"
#include "wasi.h"

enum { MAX_LOG_LINES = 100 };

static struct exchange *exchange_of(lucet_call *call) { return lucet_call_instance_data(call); }

/* ---- the request ---- */

int32_t lucet_http_req_method(lucet_call *call, lucet_bytes_out out) {
  return host_fill(out, exchange_of(call)->request->method);
}

int32_t lucet_http_req_uri(lucet_call *call, lucet_bytes_out out) {
  return host_fill(out, exchange_of(call)->request->target);
}

int32_t lucet_http_req_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  const struct http_header *header =
      http_find(&exchange_of(call)->request->headers, (const char *)name.data, name.size);
  return header ? host_fill(out, header->value) : LUCET_HTTP_NOT_FOUND;
}

int64_t lucet_http_req_header_at(lucet_call *call, uint32_t index, lucet_bytes_out name,
                                 lucet_bytes_out value) {
  const struct http_headers *headers = &exchange_of(call)->request->headers;
  if (index >= headers->count) return LUCET_HTTP_NOT_FOUND;
  int64_t length = host_fill(name, headers->all[index].name);
  return length << 32 | host_fill(value, headers->all[index].value);
}

/* The body has arrived before the guest begins, so these do not wait. */
int64_t lucet_http_req_body_len(lucet_call *call) { return (int64_t)exchange_of(call)->body.length; }

int32_t lucet_http_req_body_read(lucet_call *call, uint64_t offset, lucet_bytes_out out) {
  return host_copy(out, exchange_of(call)->body, offset);
}

/* ---- the response ---- */

int32_t lucet_http_resp_status(lucet_call *call, int32_t status) {
  struct exchange *exchange = exchange_of(call);
  if (!rules_is_status(status)) return LUCET_HTTP_INVALID;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  exchange->status = status;
  return 0;
}

int32_t lucet_http_resp_get_status(lucet_call *call) { return exchange_of(call)->status; }

static int32_t add_header(struct exchange *exchange, struct text name, struct text value, bool replace) {
  if (exchange->headers.length + name.length + value.length + 4 > RULES_MAX_HEADERS)
    return LUCET_HTTP_TOO_LARGE;
  int32_t error = rules_check_header(name.data, name.length, value.data, value.length);
  if (error) return error;
  if (exchange->committed) return LUCET_HTTP_TOO_LATE;
  if (replace) headers_remove(&exchange->headers, name);
  return headers_add(&exchange->headers, name, value) ? 0 : LUCET_HTTP_TOO_LARGE;
}

int32_t lucet_http_resp_header(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(exchange_of(call), host_text(name), host_text(value), false);
}

int32_t lucet_http_resp_header_set(lucet_call *call, lucet_bytes name, lucet_bytes value) {
  return add_header(exchange_of(call), host_text(name), host_text(value), true);
}

int32_t lucet_http_resp_header_remove(lucet_call *call, lucet_bytes name) {
  struct exchange *exchange = exchange_of(call);
  int32_t error = rules_check_header((const char *)name.data, name.size, "", 0);
  if (error) return error;
  return exchange->committed ? LUCET_HTTP_TOO_LATE : headers_remove(&exchange->headers, host_text(name));
}

int32_t lucet_http_resp_get_header(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  struct text value = headers_find(&exchange_of(call)->headers, host_text(name));
  return value.data ? host_fill(out, value) : LUCET_HTTP_NOT_FOUND;
}

bool host_write_body(struct exchange *exchange, const char *bytes, size_t length) {
  exchange->committed = true;
  return length <= exchange->response_limit - exchange->out.length &&
         buffer_append(&exchange->out, bytes, length);
}

int32_t lucet_http_resp_write(lucet_call *call, lucet_bytes bytes) {
  return host_write_body(exchange_of(call), (const char *)bytes.data, bytes.size) ? 0 : LUCET_HTTP_TOO_LARGE;
}

/* This server collects responses. */
int32_t lucet_http_resp_flush(lucet_call *call) {
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

int32_t lucet_http_log(lucet_call *call, int32_t level, lucet_bytes text) {
  static const char *const levels[] = {"error", "warning", "info"};
  if (level < 0 || level > 2) return LUCET_HTTP_INVALID;
  return host_log(exchange_of(call), levels[level], (const char *)text.data, text.size)
             ? 0
             : LUCET_HTTP_TOO_LARGE;
}

int64_t lucet_http_now_ms(lucet_call *call) {
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

int32_t lucet_http_random(lucet_call *call, lucet_bytes_out out) {
  (void)call;
  if (out.size > RULES_MAX_RANDOM) return LUCET_HTTP_TOO_LARGE;
  host_random((char *)out.data, out.size);
  return 0;
}

int32_t lucet_http_config(lucet_call *call, lucet_bytes_out out) {
  const char *text = exchange_of(call)->run.guest->route->config;
  return host_fill(out, (struct text){text, strlen(text)});
}

/* The client's address, and the route; others are not for guests to know. */
int32_t lucet_http_variable_get(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  const struct exchange *exchange = exchange_of(call);
  if (text_is(host_text(name), "remote_addr"))
    return host_fill(out, (struct text){exchange->peer, strcspn(exchange->peer, ":")});
  if (text_is(host_text(name), "route"))
    return host_fill(out, (struct text){exchange->guest, strlen(exchange->guest)});
  return LUCET_HTTP_FORBIDDEN;
}

/* This server has no filters, so there is no piece of a body. */
int32_t lucet_http_chunk_len(lucet_call *call) { return (void)call, LUCET_HTTP_NOT_FOUND; }
int32_t lucet_http_chunk_is_last(lucet_call *call) { return (void)call, LUCET_HTTP_NOT_FOUND; }
int32_t lucet_http_chunk_read(lucet_call *call, uint32_t offset, lucet_bytes_out out) {
  return (void)call, (void)offset, (void)out, LUCET_HTTP_NOT_FOUND;
}

lucet_status host_define(lucet_linker *linker) {
  lucet_status status = http_define(linker, NULL);
  return status ? status : wasi_define(linker);
}

void host_region_log(void *data, int level, const char *text, size_t length) {
  static const char *const levels[] = {"error", "warning", "info"};
  (void)data;
  log_error("lucet: %s: %.*s", level >= 0 && level < 3 ? levels[level] : "guest",
            (int)(length < 1024 ? length : 1024), text);
}
