/* spin, hostile: computes for ever. Expected: preempted while it may run, and stopped at its limit. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) {
  for (volatile uint32_t i = 0;;)
    i++;
}
