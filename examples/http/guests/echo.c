/* echo: sends the request back, line and headers first and then the body. Uses every function that reads the
 * request. Works with bodies of any size in a buffer of 16 KiB. */
#include "lucet_http.h"

static char buffer[16384];
static char value[8192];

static int put(const char *bytes, size_t length) { return lucet_http_resp_write(bytes, length); }
static size_t clip(int64_t length, size_t capacity) {
  return length < 0 ? 0 : (uint64_t)length < capacity ? (size_t)length : capacity;
}

static int headers(void) {
  for (uint32_t i = 0;; i++) {
    int64_t lengths = lucet_http_req_header_at(i, buffer, sizeof buffer, value, sizeof value);
    if (lengths < 0) return 0;
    if (put(buffer, clip(lengths >> 32, sizeof buffer)) != 0 || put(": ", 2) != 0) return 1;
    if (put(value, clip(lengths & 0xffffffff, sizeof value)) != 0 || put("\n", 1) != 0) return 1;
  }
}

static int body(void) {
  uint64_t offset = 0;
  for (;;) {
    int32_t got = lucet_http_req_body_read(offset, buffer, sizeof buffer);
    if (got <= 0) return got != 0 || offset != (uint64_t)lucet_http_req_body_len();
    if (put(buffer, (size_t)got) != 0) return 1;
    offset += (uint64_t)got;
  }
}

int32_t lucet_http_handle(void) {
  char option[8];
  int32_t only_body = lucet_http_req_header("x-only-body", 11, option, sizeof option);
  if (lucet_http_resp_header("Content-Type", 12, "application/octet-stream", 24) != 0) return 1;
  if (only_body < 0) {
    size_t length = clip(lucet_http_req_method(buffer, sizeof buffer), sizeof buffer);
    if (put(buffer, length) != 0 || put(" ", 1) != 0) return 1;
    length = clip(lucet_http_req_uri(buffer, sizeof buffer), sizeof buffer);
    if (put(buffer, length) != 0 || put("\n", 1) != 0 || headers() != 0 || put("\n", 1) != 0) return 1;
  }
  return body();
}
