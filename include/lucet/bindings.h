/* lucet/bindings.h: what code that lucetc generates from a bindings file needs: results of host functions that do not fit a
 * number, written into the guest's memory, and handles that change hands. Header only; C99 to C++20.
 *
 * Not here: parameters, which lucet/arguments.h is about.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef LUCET_BINDINGS_H
#define LUCET_BINDINGS_H
#include "../lucet.h"
#include <stdlib.h>
#include <string.h>

/* Text or elements that a host function returns. The memory is the host's; it is copied into the guest right after the function
 * has returned. `release`, if not NULL, is called with `data` then. Leave it alone for nothing.
 *
 * `data` may be an argument of the same call, or other memory of the guest's. But before the copy the guest's cabi_realloc runs, with
 * which pointers into the guest are over: what is copied is what lies there then, which may be anything. A host to which that matters
 * answers with a copy. With several results, all but the first are copied after it has run. */
typedef struct lucet_given {
  const void *data;
  size_t count; /* of bytes for text, else of elements */
  void (*release)(void *data);
} lucet_given;

#ifdef __cplusplus
#define LUCET_CAST_(Type, value) static_cast<Type>(value)
#else
#define LUCET_CAST_(Type, value) ((Type)(value))
#endif

#define LUCET_PUT_(bits, Type, name)                                                                         \
  static inline void lucet_put_##name(uint8_t *to, Type value) { memcpy(to, &value, bits / 8); }
LUCET_PUT_(8, uint8_t, u8)
LUCET_PUT_(16, uint16_t, u16)
LUCET_PUT_(32, uint32_t, u32)
LUCET_PUT_(64, uint64_t, u64)
LUCET_PUT_(32, float, f32)
LUCET_PUT_(64, double, f64)

/* Copies elements into memory that the guest's cabi_realloc gives, and stores address and count at `to`, in the guest's
 * memory. False: the guest ends when the host function returns, by LUCET_TRAP_HOST without a cabi_realloc or with too many
 * elements, by LUCET_TRAP_HOST_ARGUMENT when it answers an address that it does not have. It may run guest code. */
static inline bool lucet_give_copy(lucet_call *call, uint8_t *to, const void *data, size_t count, size_t element,
                                   size_t align) {
  uint32_t address = 0, size = 0, trap = 0;
  if (count > UINT32_MAX / element) {
    trap = LUCET_TRAP_HOST;
  } else if (count > 0) {
    uint8_t *memory = LUCET_NULL_;
    lucet_outcome outcome;
    lucet_value arguments[4];
    size = LUCET_CAST_(uint32_t, count * element);
    arguments[0] = lucet_value_i32(0);
    arguments[1] = lucet_value_i32(0);
    arguments[2] = lucet_value_i32(LUCET_CAST_(int32_t, align));
    arguments[3] = lucet_value_i32(LUCET_CAST_(int32_t, size));
    if (lucet_call_run(call, "cabi_realloc", arguments, 4, &outcome)) {
      trap = LUCET_TRAP_HOST;
    } else if (outcome.kind != LUCET_RETURNED) {
      return false; /* the guest ends as its allocator did */
    } else {
      if (outcome.value_count == 1 && outcome.values[0].type == LUCET_I32) 
        address = LUCET_CAST_(uint32_t, outcome.values[0].of.i32);
      if (!address || address % align ||
          lucet_instance_view_mut(lucet_call_instance(call), 0, address, size, &memory))
        trap = LUCET_TRAP_HOST_ARGUMENT;
      else
        memmove(memory, data, size); /* both may be the guest's, who says where the copy goes */
    }
  }
  if (trap) {
    if (lucet_call_trap(call, trap)) return false;
    return false;
  }
  lucet_put_u32(to, address ? address : LUCET_CAST_(uint32_t, align));
  lucet_put_u32(to + 4, LUCET_CAST_(uint32_t, count));
  return true;
}

/* The same with what a host function has returned. */
static inline bool lucet_give(lucet_call *call, uint8_t *to, const lucet_given *from, size_t element, size_t align) {
  const bool done = lucet_give_copy(call, to, from->data, from->count, element, align);
  union {
    const void *constant;
    void *data;
  } kept;
  kept.constant = from->data;
  if (from->release) from->release(kept.data);
  return done;
}

/* A handle for an object that a host function has made. 0, and the guest ends, for NULL and when there is no room. */
static inline uint32_t lucet_make(lucet_call *call, const lucet_handle_kind *kind, void *object) {
  uint32_t handle = 0;
  uint32_t trap = LUCET_TRAP_HOST;
  if (object && !lucet_instance_handle_new(lucet_call_instance(call), kind, object, &handle)) return handle;
  if (object) {
    trap = LUCET_TRAP_RESOURCE;
    if (kind->release) kind->release(object);
  }
  if (lucet_call_trap(call, trap)) return 0;
  return 0;
}

/* The object that a guest hands over. NULL, and the guest ends, when it has no such handle. */
static inline void *lucet_take(lucet_call *call, const lucet_handle_kind *kind, uint32_t handle) {
  void *object = LUCET_NULL_;
  if (!lucet_instance_handle_take(lucet_call_instance(call), kind, handle, &object)) return object;
  if (lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT)) return LUCET_NULL_;
  return LUCET_NULL_;
}

/* Drops a handle of the guest's. */
static inline void lucet_drop(lucet_call *call, const lucet_handle_kind *kind, uint32_t handle) {
  if (lucet_instance_handle_drop(lucet_call_instance(call), kind, handle) &&
      lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT))
    return;
}

/* ---- checks ---- */

/* Whether bytes are text in UTF-8: shortest forms, no surrogates, nothing above U+10FFFF. */
static inline bool lucet_is_text(const uint8_t *data, size_t size) {
  size_t at = 0;
  while (at < size) {
    const uint8_t lead = data[at++];
    size_t more, i;
    uint8_t low = 0x80, high = 0xbf;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    more = lead < 0xe0 ? 1u : lead < 0xf0 ? 2u : 3u;
    if (size - at < more) return false;
    /* The byte that follows tells overlong forms, surrogates and numbers that are too large. */
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    if (data[at] < low || data[at] > high) return false;
    for (i = 1; i < more; i++)
      if ((data[at + i] & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
}

/* Whether two ranges of memory share bytes. */
static inline bool lucet_overlap(uint64_t one, uint64_t bytes_of_one, uint64_t other, uint64_t bytes_of_other) {
  return bytes_of_one && bytes_of_other && one < other + bytes_of_other && other < one + bytes_of_one;
}

/* ---- calls into a guest ---- */

/* Text or elements that an export has returned: memory from malloc, the caller's to free, NULL for nothing. */
typedef struct lucet_taken {
  void *data;
  size_t count; /* of bytes for text, else of elements */
} lucet_taken;

/* What a function answers when the guest's result is not what its type says. */
static inline uint32_t lucet_bad_answer(void) { return LUCET_NOT_RUN; }

/* Copies elements into memory that the guest's cabi_realloc gives. LUCET_RETURNED, or how the guest was left. */
static inline uint32_t lucet_pass(lucet_instance *guest, const void *data, size_t count, size_t element, size_t align,
                                  uint32_t *address) {
  lucet_outcome outcome;
  uint64_t where = 0;
  *address = LUCET_CAST_(uint32_t, align);
  if (count == 0) return LUCET_RETURNED;
  /* What is too much for 32 bits is refused there. */
  if (lucet_instance_alloc(guest, count > UINT32_MAX / element ? SIZE_MAX : count * element, align, &where, &outcome))
    return outcome.kind == LUCET_RETURNED ? LUCET_CAST_(uint32_t, LUCET_NOT_RUN) : outcome.kind;
  if (where % align || lucet_instance_write(guest, 0, where, data, count * element)) return LUCET_NOT_RUN;
  *address = LUCET_CAST_(uint32_t, where);
  return LUCET_RETURNED;
}

/* Copies what address and count at `from`, which were read from the guest, name. */
static inline bool lucet_take_list(lucet_instance *guest, const uint8_t *from, size_t element, size_t align, bool text,
                                   lucet_taken *taken) {
  uint32_t address, count;
  uint64_t bytes;
  const uint8_t *view = LUCET_NULL_;
  memcpy(&address, from, 4);
  memcpy(&count, from + 4, 4);
  taken->data = LUCET_NULL_;
  taken->count = 0;
  if (count == 0) return true;
  bytes = LUCET_CAST_(uint64_t, count) * element;
  /* Before anything is allocated: the size is the guest's. */
  if (address % align || lucet_instance_view(guest, 0, address, bytes, &view)) return false;
  taken->data = malloc(bytes);
  if (!taken->data) return false;
  memcpy(taken->data, view, bytes);
  if (text && !lucet_is_text(LUCET_CAST_(const uint8_t *, taken->data), bytes)) {
    free(taken->data);
    taken->data = LUCET_NULL_;
    return false;
  }
  taken->count = count;
  return true;
}

#endif
