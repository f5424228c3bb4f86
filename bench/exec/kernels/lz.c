/* lz.c: a compressor of the LZ77 family with a hash table, and its decompressor; what comes out is compared.
 */
#include "kernel.h"

enum { SIZE = 256 << 10, BITS = 14 };
static uint8_t plain[SIZE], packed[SIZE + SIZE / 8 + 64], unpacked[SIZE];
static uint32_t heads[1 << BITS];

static void fill(void) {
  static const char *const words[8] = {"memory ", "instance ", "module ", "the ",
                                       "region ", "trap ",     "of ",     "a "};
  uint32_t state = 5, at = 0;
  while (at < SIZE) {
    uint32_t random = next_random(&state);
    for (const char *word = words[random & 7]; *word && at < SIZE; word++)
      plain[at++] = (uint8_t)*word;
    if ((random & 0xF00) == 0 && at < SIZE) plain[at++] = (uint8_t)(random >> 16);
  }
}

static uint32_t load32(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint8_t *literals(uint8_t *out, const uint8_t *from, uint32_t count) {
  while (count) {
    uint32_t part = count < 127 ? count : 127;
    *out++ = (uint8_t)part;
    for (uint32_t i = 0; i < part; i++)
      *out++ = *from++;
    count -= part;
  }
  return out;
}

static size_t compress(void) {
  uint8_t *out = packed;
  uint32_t at = 0, start = 0;
  for (int i = 0; i < 1 << BITS; i++)
    heads[i] = 0;
  while (at + 8 < SIZE) {
    uint32_t now = load32(plain + at), slot = now * 2654435761u >> (32 - BITS), candidate = heads[slot];
    heads[slot] = at + 1;
    if (!candidate-- || at - candidate > 65535 || load32(plain + candidate) != now) {
      at++;
      continue;
    }
    uint32_t count = 4;
    while (count < 130 && at + count < SIZE && plain[candidate + count] == plain[at + count])
      count++;
    out = literals(out, plain + start, at - start);
    *out++ = (uint8_t)(0x80 | (count - 4));
    *out++ = (uint8_t)(at - candidate);
    *out++ = (uint8_t)((at - candidate) >> 8);
    at += count;
    start = at;
  }
  return (size_t)(literals(out, plain + start, SIZE - start) - packed);
}

static uint32_t decompress(size_t length) {
  uint8_t *out = unpacked;
  for (size_t at = 0; at < length;) {
    uint32_t head = packed[at++];
    if (head < 0x80) {
      for (; head; head--)
        *out++ = packed[at++];
      continue;
    }
    const uint8_t *from = out - (packed[at] | (uint32_t)packed[at + 1] << 8);
    at += 2;
    for (head = head - 0x80 + 4; head; head--)
      *out++ = *from++;
  }
  return (uint32_t)(out - unpacked);
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  fill();
  while (rounds--) {
    size_t length = compress();
    sum = mix(sum, decompress(length));
    for (uint32_t i = 0; i < SIZE; i++)
      if (plain[i] != unpacked[i]) return 0;
    sum = mix(sum, (uint32_t)length);
  }
  return sum;
}
