/* keccak.c: the permutation Keccak-f[1600]: 25 words of 64 bits alive at a time, so registers are short. */
#include "kernel.h"

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
static const uint8_t turns[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                  27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
static const uint8_t places[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                   15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

static void permute(uint64_t a[25]) {
  for (int round = 0; round < 24; round++) {
    uint64_t c[5], carried;
#pragma clang loop unroll(full)
    for (int x = 0; x < 5; x++)
      c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma clang loop unroll(full)
    for (int x = 0; x < 5; x++) {
      uint64_t d = c[(x + 4) % 5] ^ rotate_left64(c[(x + 1) % 5], 1);
#pragma clang loop unroll(full)
      for (int y = 0; y < 25; y += 5)
        a[x + y] ^= d;
    }
    carried = a[1];
#pragma clang loop unroll(full)
    for (int i = 0; i < 24; i++) {
      uint64_t next = a[places[i]];
      a[places[i]] = rotate_left64(carried, turns[i]);
      carried = next;
    }
#pragma clang loop unroll(full)
    for (int y = 0; y < 25; y += 5) {
      uint64_t row[5] = {a[y], a[y + 1], a[y + 2], a[y + 3], a[y + 4]};
#pragma clang loop unroll(full)
      for (int x = 0; x < 5; x++)
        a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
    a[0] ^= round_constants[round];
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint64_t state[25] = {1};
  while (rounds--)
    for (int i = 0; i < 1000; i++)
      permute(state);
  return (uint32_t)(state[0] ^ state[24] >> 32);
}
