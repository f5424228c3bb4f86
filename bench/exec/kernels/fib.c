/* fib.c: recursion: calls of the module's own functions and hardly anything else. */
#include "kernel.h"

static __attribute__((noinline)) uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--)
    sum = mix(sum, fib(27));
  return sum;
}
