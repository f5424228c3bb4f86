/* bignum.c: products of numbers of 1024 bits from limbs of 32, as code for 32-bit machines has them, reduced
 * by Montgomery's method: multiplications with carries. */
#include "kernel.h"

enum { LIMBS = 32 };
static uint32_t modulus[LIMBS], base[LIMBS];

static void multiply(uint32_t *result, const uint32_t *a, const uint32_t *b, uint32_t inverse) {
  uint32_t t[LIMBS + 2] = {0};
  for (int i = 0; i < LIMBS; i++) {
    uint64_t carry = 0;
    for (int j = 0; j < LIMBS; j++) {
      carry += (uint64_t)a[j] * b[i] + t[j];
      t[j] = (uint32_t)carry;
      carry >>= 32;
    }
    carry += t[LIMBS];
    t[LIMBS] = (uint32_t)carry;
    t[LIMBS + 1] = (uint32_t)(carry >> 32);
    uint32_t factor = t[0] * inverse;
    carry = ((uint64_t)factor * modulus[0] + t[0]) >> 32;
    for (int j = 1; j < LIMBS; j++) {
      carry += (uint64_t)factor * modulus[j] + t[j];
      t[j - 1] = (uint32_t)carry;
      carry >>= 32;
    }
    carry += t[LIMBS];
    t[LIMBS - 1] = (uint32_t)carry;
    t[LIMBS] = t[LIMBS + 1] + (uint32_t)(carry >> 32);
  }
  for (int j = 0; j < LIMBS; j++)
    result[j] = t[j];
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 59, sum = 0, value[LIMBS], inverse = 1;
  for (int i = 0; i < LIMBS; i++)
    modulus[i] = next_random(&state), base[i] = value[i] = next_random(&state);
  modulus[0] |= 1;
  modulus[LIMBS - 1] |= 1u << 31;
  for (int i = 0; i < 5; i++)
    inverse *= 2 - modulus[0] * inverse;
  inverse = 0 - inverse;
  for (rounds *= 500; rounds; rounds--) {
    multiply(value, value, base, inverse);
    sum = mix(sum, value[LIMBS / 2]);
  }
  return sum;
}
