/* unreachable, hostile: gives up. Expected: trap, unreachable executed. */
#include "lucet_http.h"

int32_t lucet_http_handle(void) { __builtin_trap(); }
