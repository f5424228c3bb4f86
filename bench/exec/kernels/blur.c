/* blur.c: a box filter and a histogram over a grey picture: loops over bytes that compilers vectorise. */
#include "kernel.h"

enum { SIDE = 512 };
static uint8_t from[SIDE * SIDE], to[SIDE * SIDE];

static void filter(const uint8_t *restrict in, uint8_t *restrict out) {
  for (int y = 1; y < SIDE - 1; y++)
    for (int x = 1; x < SIDE - 1; x++) {
      const uint8_t *at = in + y * SIDE + x;
      uint32_t total = (uint32_t)at[-SIDE - 1] + 2u * at[-SIDE] + at[-SIDE + 1] + 2u * at[-1] + 4u * at[0] +
                       2u * at[1] + at[SIDE - 1] + 2u * at[SIDE] + at[SIDE + 1];
      out[y * SIDE + x] = (uint8_t)(total >> 4);
    }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 53, sum = 0, histogram[256] = {0};
  for (int i = 0; i < SIDE * SIDE; i++)
    from[i] = to[i] = (uint8_t)next_random(&state);
  while (rounds--) {
    filter(from, to);
    filter(to, from);
    for (int i = 0; i < SIDE * SIDE; i++)
      histogram[from[i]]++;
    sum = mix(sum, histogram[100]);
  }
  return sum;
}
