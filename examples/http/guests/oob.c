/* oob, hostile: writes far beyond its memory. Expected: trap, out of bounds memory access. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) {
  volatile char *wild = (volatile char *)0xfffffff0u;
  lucet_http_resp_write("never seen\n", 11);
  *wild = 1;
  return 0;
}
