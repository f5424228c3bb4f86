/* cases.h: host functions and calls of them, for two programs: with_guest.c has a guest make the calls through liblucet,
 * without_guest.c makes them through lucet/testing.h. Both must print the same. */
#ifndef CASES_H
#define CASES_H
#include <inttypes.h>
#include <lucet.h>
#include <stdio.h>
#include <string.h>

#define PAGE 65536u
enum { TRAP = 1, TERMINATE, SUSPEND, BAD_TRAP, GROW, VIEWS };

static int32_t text(lucet_call *call, lucet_string text) {
  (void)call;
  return (int32_t)text.size;
}
static int32_t copy(lucet_call *call, lucet_bytes bytes) {
  uint8_t other = 0xee;
  if (bytes.size && lucet_instance_write(lucet_call_instance(call), 0, 16, &other, 1)) return -1;
  return bytes.size ? bytes.data[0] : 1000;
}
static int32_t words(lucet_call *call, lucet_u32s words) {
  uint32_t sum = 0;
  size_t i;
  (void)call;
  for (i = 0; i < words.count; i++)
    sum += words.data[i];
  return (int32_t)sum;
}
static int32_t write_bytes(lucet_call *call, lucet_bytes_out bytes) {
  (void)call;
  memset(bytes.data, 7, bytes.size);
  return (int32_t)bytes.size;
}
struct point {
  int32_t x;
  int64_t y;
};
static int32_t point(lucet_call *call, const struct point *from, struct point *to) {
  (void)call;
  *to = *from;
  return from->x;
}
static int32_t number(lucet_call *call, uint8_t colour, int16_t shade) {
  (void)call;
  return colour * 10000 + shade;
}
static int64_t answer(lucet_call *call, uint32_t flags, uint32_t one_of) {
  (void)call;
  return (int64_t)flags << 32 | (int64_t)one_of << 16;
}
static double floats(lucet_call *call, float a, double b, float c, double d, float e, double f, float g, double h, float i,
                     lucet_bytes bytes) {
  (void)call;
  return (double)(a + 2 * c + 3 * e + 4 * g + 5 * i) + b + 2 * d + 3 * f + 4 * h + (double)bytes.size;
}
static int32_t thing(lucet_call *call, int32_t what, int32_t address) {
  lucet_instance *guest = lucet_call_instance(call);
  const uint8_t *data = NULL;
  uint64_t old = 0;
  switch (what) {
  case TRAP:
    return lucet_call_trap(call, LUCET_TRAP_HOST);
  case TERMINATE:
    return lucet_call_terminate(call, 42);
  case SUSPEND:
    return lucet_call_suspend(call, 43);
  case BAD_TRAP:
    return lucet_call_trap(call, 999);
  case GROW:
    if (lucet_instance_memory_grow(guest, 0, 1, &old)) return -1;
    return (int32_t)(old * 1000 + lucet_instance_memory(guest, 0).size / PAGE);
  case VIEWS:
    if (lucet_instance_view(guest, 0, (uint32_t)address, 4, &data)) return -(int32_t)LUCET_OUT_OF_BOUNDS;
    return data[0] + (lucet_instance_view(guest, 1, 0, 1, &data) == LUCET_NOT_FOUND ? 100 : 0);
  default:
    return 0;
  }
}

static const uint32_t allowed[] = {1, 5, 900};
static const lucet_host_function rows[] = {
    LUCET_HOST("text", text, int32_t, LUCET_WITH(lucet_string, LUCET_MAX(64))),
    LUCET_HOST("copy", copy, int32_t, LUCET_WITH(lucet_bytes, LUCET_MAX(64) | LUCET_COPY)),
    LUCET_HOST("words", words, int32_t, LUCET_WITH(LUCET_IN(lucet_u32s), LUCET_MAX(1000) | LUCET_ALIGN(16))),
    LUCET_HOST("write", write_bytes, int32_t, lucet_bytes_out),
    LUCET_HOST("point", point, int32_t, LUCET_OBJECT(struct point), LUCET_OBJECT_OUT(struct point)),
    LUCET_HOST("number", number, int32_t, LUCET_UNSIGNED(uint8_t, 7), LUCET_SIGNED(int16_t, 12)),
    LUCET_HOST_OR(-65536 * 7, "answer", answer, int64_t, LUCET_FLAGS(uint32_t, 5), LUCET_ONE_OF(uint32_t, allowed)),
    LUCET_HOST("floats", floats, double, float, double, float, double, float, double, float, double, float, lucet_bytes),
    LUCET_HOST("thing", thing, int32_t, int32_t, int32_t),
};
#define ROWS (sizeof rows / sizeof rows[0])

static const uint32_t numbers[] = {0,  1,  2,   3,    4,    5,        6,        7,           8,           16,          17,
                                   32, 64, 65,  900,  1000, 1001,     2047,     2048,        PAGE - 16,   PAGE - 8,    PAGE - 1,
                                   PAGE, PAGE + 1, 0x40000000u, 0x7fffffffu, 0x80000000u, 0xfffff800u, 0xfffff7ffu, 0xffffffffu};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

/* What memory holds before each call. */
static void fill(uint8_t *memory) {
  size_t i;
  for (i = 0; i < PAGE; i++)
    memory[i] = (uint8_t)(i % 100 < 90 ? 'a' + i % 26 : i % 7 == 0 ? 0xc3 : 0xa9);
}

static uint32_t checksum(const uint8_t *memory, size_t size) {
  uint32_t sum = 0;
  size_t i;
  for (i = 0; i < size; i++)
    sum = sum * 31 + memory[i];
  return sum;
}

/* All names that there are, and some that are none. */
static void names(void) {
  int i;
  for (i = -1; i < 40; i++)
    printf("%s, %s\n", lucet_status_name((lucet_status)i), lucet_trap_name((uint32_t)i));
}

static void report(const char *name, uint32_t first, uint32_t second, const lucet_outcome *outcome, const uint8_t *memory,
                   size_t size) {
  long long result = 0;
  if (outcome->kind == LUCET_RETURNED && outcome->value_count == 1) {
    const lucet_value *value = outcome->values;
    result = value->type == LUCET_F64 ? (long long)value->of.f64 : value->type == LUCET_I64 ? value->of.i64 : value->of.i32;
  }
  printf("%s %" PRIx32 " %" PRIx32 ": %" PRIu32 " %" PRIu32 " %llu %lld %" PRIx32 "\n", name, first, second, outcome->kind,
         outcome->detail, (unsigned long long)outcome->token, result, checksum(memory, size));
}
#endif
