/* headers, hostile: tries to smuggle line breaks and the host's own headers into the response, and to change
 * the status too late. Expected: every attempt is refused with the right error, and the response is a clean
 * 200. */
#include "lucet_http.h"

static int32_t header(const char *name, size_t name_length, const char *value, size_t value_length) {
  return lucet_http_resp_header(name, name_length, value, value_length);
}

int32_t lucet_http_handle(void) {
  if (header("X-A", 3, "1\r\nX-Evil: 1", 12) != LUCET_HTTP_INVALID) return 1;
  if (header("X-A", 3, "1\0", 2) != LUCET_HTTP_INVALID) return 2;
  if (header("X-A: 1\r\nX-Evil", 14, "1", 1) != LUCET_HTTP_INVALID) return 3;
  if (header("", 0, "1", 1) != LUCET_HTTP_INVALID) return 4;
  if (header("content-LENGTH", 14, "1", 1) != LUCET_HTTP_FORBIDDEN) return 5;
  if (header("Transfer-Encoding", 17, "chunked", 7) != LUCET_HTTP_FORBIDDEN) return 6;
  if (header("Connection", 10, "close", 5) != LUCET_HTTP_FORBIDDEN) return 7;
  if (lucet_http_resp_status(99) != LUCET_HTTP_INVALID) return 8;
  if (lucet_http_resp_status(600) != LUCET_HTTP_INVALID) return 9;
  if (lucet_http_log(7, "x", 1) != LUCET_HTTP_INVALID) return 10;
  if (lucet_http_log(LUCET_HTTP_LOG_INFO, "one\nforged line", 15) != 0) return 11;
  if (lucet_http_resp_write("refused\n", 8) != 0) return 12;
  if (lucet_http_resp_status(404) != LUCET_HTTP_TOO_LATE) return 13;
  if (header("X-Late", 6, "1", 1) != LUCET_HTTP_TOO_LATE) return 14;
  return 0;
}
