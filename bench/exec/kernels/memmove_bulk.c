/* memmove_bulk.c: memcpy, memmove and memset of many sizes, most of them short: memory.copy and memory.fill
 * in WebAssembly, the C library's functions natively. */
#include "kernel.h"

/* Each half is copied within, or into the other, and no copy goes beyond its half. */
enum { SIZE = 1 << 18, LONGEST = 1 << 14, REACH = SIZE / 2 - LONGEST };
static uint8_t bytes[SIZE];

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 31, sum = 0;
  for (int i = 0; i < SIZE; i++)
    bytes[i] = (uint8_t)next_random(&state);
  for (rounds *= 20000; rounds; rounds--) {
    uint32_t random = next_random(&state), from = random % REACH, to = (random >> 8) % REACH;
    uint32_t length = random & 15 ? (random >> 20) & 127 : (random >> 16) & (LONGEST - 1);
    switch (random >> 4 & 3) {
    case 0:
      __builtin_memset(bytes + to, (int)(random & 255), length);
      break;
    case 1:
      __builtin_memcpy(bytes + to, bytes + SIZE / 2 + from, length);
      break;
    default:
      __builtin_memmove(bytes + to, bytes + from, length);
    }
    sum = mix(sum, bytes[to]);
  }
  return sum;
}
