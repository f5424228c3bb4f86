/* divzero, hostile: divides by zero. Expected: trap, integer divide by zero. */
#include "lucet_http.h"

static volatile int32_t zero = 0;

int32_t lucet_http_handle(void) { return 1 / zero; }
