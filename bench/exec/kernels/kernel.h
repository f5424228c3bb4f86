/* kernel.h: what the kernels share. A kernel is one file with one exported function, `run(rounds)`, which
 * does its work so many times and answers a checksum. The same file is compiled to WebAssembly and natively.
 *
 * Invariants: no libc apart from memcpy, memmove and memset; no undefined behaviour and no floating point
 * whose result may differ between compilers (no contraction, no reassociation), so that checksums can be
 * compared; no state is left behind by one run that would change the answer of the next. */
#ifndef KERNEL_H
#define KERNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define KERNEL __attribute__((export_name("run")))
#else
#define KERNEL __attribute__((visibility("default")))
#endif

KERNEL uint32_t run(uint32_t rounds);

/* Numbers that look random, the same everywhere. */
static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

static inline uint32_t mix(uint32_t sum, uint32_t value) {
  return (sum << 5 | sum >> 27) ^ (value * 0x9E3779B1u);
}
static inline uint32_t rotate_right(uint32_t value, unsigned by) { return value >> by | value << (32 - by); }
static inline uint64_t rotate_left64(uint64_t value, unsigned by) { return value << by | value >> (64 - by); }
#endif
