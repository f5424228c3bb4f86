/* branches.c: a state machine over random input and binary searches: branches that depend on data. */
#include "kernel.h"

enum { INPUT = 20000, KEYS = 4096 };
static uint8_t input[INPUT];
static uint32_t keys[KEYS];

static uint32_t machine(void) {
  uint32_t counts[4] = {0}, state = 0;
  for (int i = 0; i < INPUT; i++) {
    uint8_t byte = input[i];
    switch (state) {
    case 0:
      state = byte < 90 ? 1 : byte < 120 ? 2 : 0;
      break;
    case 1:
      state = byte & 1 ? 3 : byte > 200 ? 2 : 1;
      break;
    case 2:
      state = byte % 3 == 0 ? 0 : byte < 40 ? 3 : 1;
      break;
    default:
      state = byte > 128 ? 0 : 2;
    }
    if (byte > counts[state & 3] % 251)
      counts[state]++;
    else
      counts[(state + 1) & 3] += 2;
  }
  return counts[0] ^ counts[1] << 8 ^ counts[2] << 16 ^ counts[3] << 20;
}

static uint32_t search(uint32_t wanted) {
  uint32_t low = 0, high = KEYS;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (keys[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 41, sum = 0;
  for (int i = 0; i < INPUT; i++)
    input[i] = (uint8_t)next_random(&state);
  for (uint32_t i = 0; i < KEYS; i++)
    keys[i] = i * (UINT32_MAX / KEYS);
  for (rounds *= 10; rounds; rounds--) {
    sum = mix(sum, machine());
    for (int i = 0; i < 2000; i++)
      sum = mix(sum, search(next_random(&state)));
  }
  return sum;
}
