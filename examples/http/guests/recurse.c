/* recurse, hostile: calls itself until its stack is used up. Expected: trap, stack overflow.
 * The recursion keeps nothing in linear memory, so it is the native stack that ends first. */
#include "lucet_http.h"

static volatile int32_t always = 1;

__attribute__((noinline)) static int32_t deeper(int32_t n) {
  int32_t below = always ? deeper(n + 1) : 0;
  return below * 3 + n; /* a plain sum would be turned into a loop */
}

int32_t lucet_http_handle(void) { return deeper(1); }
