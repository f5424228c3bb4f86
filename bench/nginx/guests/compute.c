/* compute: 100 000 steps of xorshift32. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) {
  uint32_t x = 2463534242u;
  char digits[11];
  size_t at = sizeof digits;
  for (int i = 0; i < 100000; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
  }
  digits[--at] = '\n';
  do {
    digits[--at] = (char)('0' + x % 10);
    x /= 10;
  } while (x);
  if (lucet_http_resp_header("Content-Type", 12, "text/plain", 10) != 0) return 1;
  return lucet_http_resp_write(digits + at, sizeof digits - at);
}
