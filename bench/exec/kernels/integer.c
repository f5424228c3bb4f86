/* integer.c: integer arithmetic on 32 and 64 bits: greatest common divisors, powers modulo a prime, checksums
 * by table, counting of bits. */
#include "kernel.h"

static uint32_t table[256];

static uint32_t divisor(uint32_t a, uint32_t b) {
  while (b) {
    uint32_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus) {
  uint64_t result = 1;
  for (base %= modulus; exponent; exponent >>= 1, base = base * base % modulus)
    if (exponent & 1) result = result * base % modulus;
  return result;
}

static uint32_t checksum(uint32_t value, uint32_t sum) {
  for (int i = 0; i < 4; i++, value >>= 8)
    sum = table[(sum ^ value) & 255] ^ sum >> 8;
  return sum;
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 43, sum = 0;
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++)
      value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
    table[i] = value;
  }
  for (rounds *= 2000; rounds; rounds--) {
    uint32_t a = next_random(&state), b = next_random(&state) | 1;
    sum = checksum(divisor(a, b), sum);
    sum = checksum((uint32_t)power(a, b & 0xFFFF, 4294967291u), sum);
    sum += (uint32_t)(__builtin_popcount(a) + __builtin_clz(b) + __builtin_ctz(a | 1u << 31));
    sum ^= (uint32_t)((uint64_t)a * b >> 32);
  }
  return sum;
}
