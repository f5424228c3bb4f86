/* flood, hostile: writes response and log until the host refuses both, then reports failure.
 * Expected: bounded response and log; the request ends as 500 because the guest says so. */
#include "lucet_http.h"

static char chunk[65536];

int32_t lucet_http_handle(void) {
  int32_t lines = 0;
  while (lucet_http_log(LUCET_HTTP_LOG_INFO, "flood", 5) == 0)
    lines++;
  while (lucet_http_resp_write(chunk, sizeof chunk) == 0) {
  }
  return lines > 0 ? lines : -1;
}
