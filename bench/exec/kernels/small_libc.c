/* small_libc.c: the three functions that compilers call on their own, for the WebAssembly builds; natively
 * they are the C library's. Word by word, as small C libraries have them. */
#include <stddef.h>
#include <stdint.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);

void *memcpy(void *restrict to, const void *restrict from, size_t length) {
  uint8_t *target = to;
  const uint8_t *source = from;
  for (; length >= 8; length -= 8, target += 8, source += 8)
    *(word *)target = *(const word *)source;
  for (; length; length--)
    *target++ = *source++;
  return to;
}

void *memmove(void *to, const void *from, size_t length) {
  uint8_t *target = to;
  const uint8_t *source = from;
  if (target - source >= 0 && (size_t)(target - source) < length) {
    for (; length >= 8; length -= 8)
      *(word *)(target + length - 8) = *(const word *)(source + length - 8);
    while (length--)
      target[length] = source[length];
    return to;
  }
  for (; length >= 8; length -= 8, target += 8, source += 8)
    *(word *)target = *(const word *)source;
  for (; length; length--)
    *target++ = *source++;
  return to;
}

void *memset(void *to, int value, size_t length) {
  uint8_t *target = to;
  uint64_t pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
  for (; length >= 8; length -= 8, target += 8)
    *(word *)target = pattern;
  for (; length; length--)
    *target++ = (uint8_t)value;
  return to;
}
