/* host.h: the functions that guests import: lucet_http_v0 (docs/guest-abi.md), which
 * lucet_http_host.h declares, made by lucetc of lucet_http.wit,
 * and WASI (wasi.h).
 *
 * Invariants of all of them: the ranges that a guest names are checked before a function is called, and a bad
 * one is a trap; checked pointers are used within the call only; everything that a guest can make grow is
 * bounded by its exchange. */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include <lucet.h>
#include <stdbool.h>
#include <string.h>

#include "http.h"

struct exchange;

/* Defines everything in the linker. */
lucet_status host_define(lucet_linker *linker);
/* The log of the region: the library's own lines. */
void host_region_log(void *data, int level, const char *text, size_t length);

/* What the guest interfaces have in common. */
bool host_write_body(struct exchange *exchange, const char *bytes,
                     size_t length); /* false: beyond the limit */
bool host_log(struct exchange *exchange, const char *level, const char *text,
              size_t length); /* false: too much */
void host_random(char *out, size_t length);

static inline struct text host_text(lucet_bytes bytes) {
  return (struct text){(const char *)bytes.data, bytes.size};
}

/* Copies what fits and answers the full length. Texts of a request are shorter than its head. */
static inline int32_t host_fill(lucet_bytes_out out, struct text text) {
  size_t length = text.length < out.size ? text.length : out.size;
  if (length > 0) memcpy(out.data, text.data, length);
  return (int32_t)text.length;
}

/* Copies bytes from an offset on, and answers how many. */
static inline int32_t host_copy(lucet_bytes_out out, struct text from, uint64_t offset) {
  if (offset >= from.length) return 0;
  size_t left = from.length - (size_t)offset, length = left < out.size ? left : out.size;
  if (length > INT32_MAX) length = INT32_MAX;
  if (length > 0) memcpy(out.data, from.data + offset, length);
  return (int32_t)length;
}

#endif
