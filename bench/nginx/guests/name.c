/* name: reads a header and puts it into the answer. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) {
  char text[80] = "hello, ";
  int32_t length = lucet_http_req_header("x-name", 6, text + 7, sizeof text - 8);
  if (length < 0 || length > 72) return 1;
  text[7 + length] = '\n';
  if (lucet_http_resp_header("Content-Type", 12, "text/plain", 10) != 0) return 1;
  return lucet_http_resp_write(text, (size_t)length + 8);
}
