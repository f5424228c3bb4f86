/* sieve.c: the sieve of Eratosthenes over 4 MiB: bound by memory, with one byte stored per step. */
#include "kernel.h"

enum { LIMIT = 4 << 20 };
static uint8_t composite[LIMIT];

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--) {
    for (uint32_t i = 0; i < LIMIT; i++)
      composite[i] = 0;
    for (uint32_t i = 2; i * i < LIMIT; i++)
      if (!composite[i])
        for (uint32_t j = i * i; j < LIMIT; j += i)
          composite[j] = 1;
    uint32_t primes = 0;
    for (uint32_t i = 2; i < LIMIT; i++)
      primes += !composite[i];
    sum = mix(sum, primes);
  }
  return sum;
}
