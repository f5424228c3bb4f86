/* digest.h: a 64-bit digest of bytes (FNV-1a), to print instead of the bytes themselves. Tells results of two
 * builds apart; it is not meant to withstand anybody. */
#ifndef PROGRAMS_DIGEST_H
#define PROGRAMS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t digest(const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

#endif
