/* divzero, hostile: divides by zero. Expected: trap, integer divide by zero. */
#include "lucet_http.h"

static volatile int32_t one = 1, zero = 0; /* volatile: the compiler must not see it coming */

int32_t lucet_http_handle(void) { return one / zero; }
