/* bomb, hostile: takes all the memory it is given, fills it, and then writes right behind it.
 * Expected: memory.grow is refused at the route's limit; then trap, out of bounds memory access. */
#include "lucet_http.h"

enum { PAGE = 65536 };

int32_t lucet_http_handle(void) {
  while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
  }
  size_t end = __builtin_wasm_memory_size(0) * PAGE;
  /* At the very end of a 4 GiB memory `end` would be 0; no host gives a guest that much. */
  for (size_t at = PAGE; at < end; at += 4096)
    *(volatile char *)at = 1;
  *(volatile char *)end = 1;
  return 0;
}
