/* arguments.c: host functions whose parameters have checks: every place of a struct among the arguments, every kind at its
 * boundaries, what the guest gets when a check fails. */
#include "fixture.h"

#define PAGE 65536
static int called;
/* Whether views are poisoned: then they are copies. */
static int poisoned;

static int64_t placed(lucet_string text, double f, int32_t after, int64_t wide, lucet_u32s words) {
  CHECK(text.size == 5 && !memcmp(text.data, "hello", 5));
  CHECK(f > 2.4 && f < 2.6);
  EQUAL(after, -7);
  CHECK(wide == INT64_C(0x123456789abcdef0));
  CHECK(words.count == 3 && words.data[0] == 1 && words.data[2] == 3);
  return INT64_C(0x1234567890);
}
static int64_t place0(lucet_call *call, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  return placed(text, f, after, wide, words);
}
static int64_t place1(lucet_call *call, int32_t p0, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0, 100);
  return placed(text, f, after, wide, words);
}
static int64_t place2(lucet_call *call, int32_t p0, int32_t p1, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1, 201);
  return placed(text, f, after, wide, words);
}
static int64_t place3(lucet_call *call, int32_t p0, int32_t p1, int32_t p2, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1 + p2, 303);
  return placed(text, f, after, wide, words);
}
static int64_t place4(lucet_call *call, int32_t p0, int32_t p1, int32_t p2, int32_t p3, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1 + p2 + p3, 406);
  return placed(text, f, after, wide, words);
}
static int64_t place5(lucet_call *call, int32_t p0, int32_t p1, int32_t p2, int32_t p3, int32_t p4, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1 + p2 + p3 + p4, 510);
  return placed(text, f, after, wide, words);
}
static int64_t place6(lucet_call *call, int32_t p0, int32_t p1, int32_t p2, int32_t p3, int32_t p4, int32_t p5, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1 + p2 + p3 + p4 + p5, 615);
  return placed(text, f, after, wide, words);
}
static int64_t place7(lucet_call *call, int32_t p0, int32_t p1, int32_t p2, int32_t p3, int32_t p4, int32_t p5, int32_t p6, lucet_string text, double f, int32_t after, int64_t wide,
                      lucet_u32s words) {
  (void)call;
  EQUAL(p0 + p1 + p2 + p3 + p4 + p5 + p6, 721);
  return placed(text, f, after, wide, words);
}

static int32_t read_bytes(lucet_call *call, lucet_bytes bytes) {
  lucet_memory memory = lucet_instance_memory(lucet_call_instance(call), 0);
  called++;
  CHECK((bytes.data >= memory.data && bytes.data + bytes.size <= memory.data + memory.size) == !poisoned);
  return (int32_t)bytes.size;
}
static int32_t read_text(lucet_call *call, lucet_string text) {
  (void)call;
  called++;
  return (int32_t)text.size;
}
static int32_t read_copy(lucet_call *call, lucet_bytes bytes) {
  lucet_instance *guest = lucet_call_instance(call);
  lucet_memory memory = lucet_instance_memory(guest, 0);
  called++;
  CHECK(bytes.data + bytes.size <= memory.data || bytes.data >= memory.data + memory.size);
  if (bytes.size == 5) {
    /* What the guest's memory becomes now, the copy does not. */
    OK(lucet_instance_write(guest, 0, 16, "HELLO", 5));
    CHECK(!memcmp(bytes.data, "hello", 5));
  }
  return (int32_t)bytes.size;
}
static int32_t read_words(lucet_call *call, lucet_u32s words) {
  (void)call;
  called++;
  CHECK((uintptr_t)words.data % 16 == 0);
  return (int32_t)words.count;
}
static int32_t write_bytes(lucet_call *call, lucet_bytes_out bytes) {
  size_t i;
  (void)call;
  called++;
  for (i = 0; i < bytes.size; i++)
    bytes.data[i] = (uint8_t)(i + 1);
  return (int32_t)bytes.size;
}
static int32_t two(lucet_call *call, lucet_bytes from, lucet_bytes_inout to) {
  (void)call;
  called++;
  memcpy(to.data, from.data, from.size);
  return 1;
}
struct point {
  int32_t x;
  int64_t y;
};
static int32_t point(lucet_call *call, const struct point *from, struct point *to) {
  (void)call;
  called++;
  *to = *from;
  return 1;
}
static int32_t number(lucet_call *call, uint8_t colour, int16_t shade) {
  (void)call;
  called++;
  return colour * 1000 + shade;
}
static int64_t answer(lucet_call *call, uint32_t flags, uint32_t one_of) {
  (void)call;
  called++;
  return (int64_t)(flags + one_of) << 16;
}
static double floats(lucet_call *call, float a, double b, float c, double d, float e, double f, float g, double h, float i,
                     lucet_bytes bytes) {
  (void)call;
  called++;
  return (double)(a + c + e + g + i) + b + d + f + h + (double)bytes.size;
}

struct thing {
  int number;
};
static unsigned released;
static void release(void *object) { released += (unsigned)((struct thing *)object)->number; }
static const lucet_handle_kind things = {"thing", release};
static const lucet_handle_kind others = {"other", NULL};
static int32_t thing(lucet_call *call, struct thing *some, int32_t add) {
  (void)call;
  called++;
  return some->number + add;
}

static const uint32_t allowed[] = {1, 5, 900};
static const lucet_host_function rows[] = {
    LUCET_HOST("place0", place0, int64_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place1", place1, int64_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place2", place2, int64_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place3", place3, int64_t, int32_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place4", place4, int64_t, int32_t, int32_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place5", place5, int64_t, int32_t, int32_t, int32_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place6", place6, int64_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("place7", place7, int64_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, lucet_string, double, int32_t, int64_t, LUCET_IN(lucet_u32s)),
    LUCET_HOST("read", read_bytes, int32_t, lucet_bytes),
    LUCET_HOST("text", read_text, int32_t, lucet_string),
    LUCET_HOST("copy", read_copy, int32_t, LUCET_WITH(lucet_bytes, LUCET_MAX(64) | LUCET_COPY)),
    LUCET_HOST("words", read_words, int32_t, LUCET_WITH(LUCET_IN(lucet_u32s), LUCET_MAX(1000) | LUCET_ALIGN(16))),
    LUCET_HOST_LEAF("write", write_bytes, int32_t, lucet_bytes_out),
    LUCET_HOST("two", two, int32_t, lucet_bytes, lucet_bytes_inout),
    LUCET_HOST("point", point, int32_t, LUCET_OBJECT(struct point), LUCET_OBJECT_OUT(struct point)),
    LUCET_HOST("number", number, int32_t, LUCET_UNSIGNED(uint8_t, 7), LUCET_SIGNED(int16_t, 12)),
    LUCET_HOST_OR(-65536 * 7, "answer", answer, int64_t, LUCET_FLAGS(uint32_t, 5), LUCET_ONE_OF(uint32_t, allowed)),
    LUCET_HOST("thing", thing, int32_t, LUCET_HANDLE(struct thing, things), int32_t),
    LUCET_HOST("floats", floats, double, float, double, float, double, float, double, float, double, float, lucet_bytes),
};

static lucet_instance *guest;

/* The guest calls with these arguments, and gets `expected`; TRAPS: it traps and the function was not called. */
#define TRAPS INT32_MIN
static void call_with(const char *name, uint32_t first, uint32_t second, int32_t expected, int line) {
  lucet_outcome outcome;
  int before = called, good;
  lucet_status status = run_i32(guest, name, 2, (int32_t)first, (int32_t)second, &outcome);
  if (expected == TRAPS) {
    good = !status && outcome.kind == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_HOST_ARGUMENT && called == before;
    OK(lucet_instance_reset(guest));
  } else {
    good = !status && outcome.kind == LUCET_RETURNED && outcome.values[0].of.i32 == expected;
  }
  if (!harness_result(good, __FILE__, line))
    printf("%s(%" PRIu32 ", %" PRIu32 "): outcome %" PRIu32 " detail %" PRIu32 "\n", name, first, second, outcome.kind,
           outcome.detail);
}
#define WITH(name, first, second, expected) call_with(name, first, second, expected, __LINE__)

static void ranges(const char *name) {
  uint32_t ends[] = {PAGE, PAGE - 1, PAGE + 1, 0x80000000u, 0xffffffffu, 0};
  size_t i, j;
  for (i = 0; i < sizeof ends / sizeof *ends; i++)
    for (j = 0; j < sizeof ends / sizeof *ends; j++)
      WITH(name, ends[i], ends[j], (uint64_t)ends[i] + ends[j] <= PAGE ? (int32_t)ends[j] : TRAPS);
}

static void text(void) {
  static const struct {
    const char *bytes;
    size_t size;
    int good;
  } texts[] = {{"", 0, 1}, {"a\0b", 3, 1}, {"\xc3\xa9", 2, 1}, {"\xc3", 1, 0}, {"\xc0\x80", 2, 0}, {"\xed\xa0\x80", 3, 0},
               {"\xf4\x8f\xbf\xbf", 4, 1}, {"\xf4\x90\x80\x80", 4, 0}, {"\x80", 1, 0}, {"\xff", 1, 0}};
  size_t i;
  for (i = 0; i < sizeof texts / sizeof *texts; i++) {
    OK(lucet_instance_write(guest, 0, 1000, texts[i].bytes, texts[i].size));
    WITH("text", 1000, (uint32_t)texts[i].size, texts[i].good ? (int32_t)texts[i].size : TRAPS);
  }
}

static void kinds(void) {
  WITH("copy", 16, 5, 5);
  WITH("copy", 0, 64, 64);
  WITH("copy", 0, 65, TRAPS);
  WITH("words", 32, 3, 3);
  WITH("words", 36, 3, TRAPS);
  WITH("words", 0, 1000, 1000);
  WITH("words", 0, 1001, TRAPS);
  WITH("words", PAGE, 0, 0);
  WITH("words", PAGE - 16, 4, 4);
  WITH("words", PAGE - 16, 5, TRAPS);
  WITH("words", 0, 0x40000000, TRAPS); /* times 4 it is 2^32 */
  WITH("write", 5000, 3, 3);
  EQUAL(RUN1(guest, "byte", 5002), 3);
  WITH("two", 100, 108, 1);
  WITH("two", 100, 107, TRAPS);
  WITH("two", 107, 100, TRAPS);
  WITH("two", 100, 100, TRAPS);
  WITH("point", 64, 80, 1);
  WITH("point", 64, 72, TRAPS); /* overlap */
  WITH("point", 68, 80, TRAPS); /* alignment */
  WITH("point", PAGE - 16, 80, 1);
  WITH("point", PAGE - 8, 80, TRAPS);
  WITH("number", 7, 2047, 7 * 1000 + 2047);
  WITH("number", 0, (uint32_t)-2048, -2048);
  WITH("number", 8, 0, TRAPS);
  WITH("number", 0x100, 0, TRAPS);
  WITH("number", 0, 2048, TRAPS);
  WITH("number", 0, (uint32_t)-2049, TRAPS);
  WITH("answer", 5, 900, 905);
  WITH("answer", 2, 900, -7);
  WITH("answer", 5, 2, -7);
  WITH("floats", 0, 9, 45 + 9);
  WITH("floats", PAGE, 1, TRAPS);
}

static void handles(void) {
  static struct thing one = {1}, two = {20}; /* the guest has one of them when this function returns */
  uint32_t first = 0, second = 0, other = 0;
  void *object = NULL;
  OK(lucet_instance_handle_new(guest, &things, &one, &first));
  OK(lucet_instance_handle_new(guest, &things, &two, &second));
  OK(lucet_instance_handle_new(guest, &others, &two, &other));
  CHECK(first && second && other && first != second && second != other);
  WITH("thing", first, 100, 101);
  WITH("thing", second, 100, 120);
  OK(lucet_instance_handle_get(guest, &things, second, &object));
  CHECK(object == &two);
  STATUS(LUCET_NOT_FOUND, lucet_instance_handle_get(guest, &others, second, &object));
  STATUS(LUCET_NOT_FOUND, lucet_instance_handle_get(guest, &things, 0, &object));
  OK(lucet_instance_handle_take(guest, &others, other, &object));
  CHECK(object == &two);
  FAILS(LUCET_NOT_FOUND, "not a handle of this kind", lucet_instance_handle_drop(guest, &others, other));
  OK(lucet_instance_handle_drop(guest, &things, first));
  EQUAL(released, 1);
  STATUS(LUCET_NOT_FOUND, lucet_instance_handle_take(guest, &things, first, &object));
  WITH("thing", first, 0, TRAPS); /* and a reset */
  EQUAL(released, 21);
  WITH("thing", second, 0, TRAPS);
  OK(lucet_instance_handle_new(guest, &things, &one, &first));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_new(guest, &things, NULL, &first));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_new(guest, NULL, &one, &first));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_new(guest, &things, &one, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_get(guest, &things, first, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_take(guest, &things, first, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_handle_drop(guest, NULL, first));
  WITH("thing", first, 0, 1);
}

static void refused_rows(lucet_linker *linker) {
  lucet_host_function row = {"row", rows[0].function, 0x80, 0, 0, 0, {{0, 0, 0, 0, NULL}}};
  FAILS(LUCET_BAD_ARGUMENT, "unknown kind", lucet_linker_define(linker, "bad", &row, 1, NULL));
  row.checks[0].kind = LUCET_CHECK_SLICE | LUCET_CHECK_READ;
  FAILS(LUCET_BAD_ARGUMENT, "elements of size 0", lucet_linker_define(linker, "bad", &row, 1, NULL));
  row.checks[0].element = row.checks[0].align = 1;
  row.flags = LUCET_ANSWER;
  FAILS(LUCET_BAD_ARGUMENT, "nothing to answer with", lucet_linker_define(linker, "bad", &row, 1, NULL));
  row.flags = 0;
  row.checks[1].limit = 1;
  row.types = 0x180;
  FAILS(LUCET_BAD_ARGUMENT, "that has none", lucet_linker_define(linker, "bad", &row, 1, NULL));
  row.types = 0x80;
  row.checks[1].limit = 0;
  row.function = NULL;
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define(linker, "bad", &row, 1, NULL));
  row.function = rows[0].function;
  OK(lucet_linker_define(linker, "good", &row, 1, NULL));
}

static void all(void) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_region *region;
  int place;
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "args", rows, sizeof rows / sizeof *rows, NULL));
  refused_rows(linker);
  if (poisoned) OK(lucet_linker_poison_views(linker));
  module = fixture_module("arguments", linker);
  /* Modules keep what they need of it. */
  lucet_linker_release(linker);
  region = fixture_region(1);
  guest = fixture_instance(region, module, NULL);
  released = 0;
  for (place = 0; place <= 7; place++) {
    char name[32];
    lucet_outcome outcome;
    snprintf(name, sizeof name, "place%d", place);
    OK(lucet_instance_run(guest, name, NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_RETURNED, 0);
    CHECK(outcome.value_count == 1 && outcome.values[0].of.i64 == INT64_C(0x1234567890));
  }
  ranges("read");
  ranges("write");
  text();
  kinds();
  handles();
  OK(lucet_instance_release(guest));
  EQUAL(released, 22);
  STATUS(LUCET_STALE, lucet_instance_handle_drop(guest, &things, 1));
  lucet_region_release(region);
  lucet_module_release(module);
}

int main(void) {
  all();
  poisoned = 1;
  all();
  return finish();
}
