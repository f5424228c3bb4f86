/* nap: sleeps for a millisecond. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) {
  if (lucet_http_sleep(1) != 0) return 1;
  if (lucet_http_resp_header("Content-Type", 12, "text/plain", 10) != 0) return 1;
  return lucet_http_resp_write("hello, world\n", 13);
}
