/* memmove_bytes.c: moving by loops over bytes, as guests do whose C library does it so. Compiled with
 * -fno-builtin, so that the native twin keeps the loops as well (and may vectorise them). */
#include "kernel.h"

enum { SIZE = 1 << 16 };
static uint8_t bytes[SIZE];

static __attribute__((noinline)) void move(uint8_t *to, const uint8_t *from, size_t length) {
  if (to < from)
    for (size_t i = 0; i < length; i++)
      to[i] = from[i];
  else
    for (size_t i = length; i--;)
      to[i] = from[i];
}

static __attribute__((noinline)) void set(uint8_t *to, uint8_t value, size_t length) {
  for (size_t i = 0; i < length; i++)
    to[i] = value;
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 29, sum = 0;
  for (int i = 0; i < SIZE; i++)
    bytes[i] = (uint8_t)next_random(&state);
  for (rounds *= 200; rounds; rounds--) {
    uint32_t from = next_random(&state) % (SIZE / 2), to = next_random(&state) % (SIZE / 2);
    move(bytes + to, bytes + from, 100 + next_random(&state) % 20000);
    set(bytes + from, (uint8_t)to, next_random(&state) % 500);
    sum = mix(sum, bytes[next_random(&state) % SIZE]);
  }
  return sum;
}
