/* vectors.c: v128 in the types of host functions and typed entries, in every place that a parameter can have: in
 * registers, on the stack behind vectors and behind narrower arguments, and as result; plain, leaf and dynamic. */
#include "../fixture.h"
#include <emmintrin.h>

/* __m128i is the same type. As an argument of a template gcc warns of its attributes. */
#ifdef __cplusplus
#define __m128i lucet_vector
#endif
typedef lucet_vector v;
static int suspending;
static lucet_vector looked_at;

/* Each argument changes the sum in another way, so that none can stand for another. */
static v sum_of(const v *arguments, size_t count) {
  typedef unsigned long long wrapping __attribute__((vector_size(16)));
  wrapping sum = {1, 2};
  size_t i;
  for (i = 0; i < count; i++)
    sum = sum * 3 + (wrapping)arguments[i];
  return (v)sum;
}
static v words(long long low) {
  v made = {low, ~low};
  return made;
}
static v number(double content) { return words((long long)(content * 1024)); }

#define SUM(...)                                                                                             \
  do {                                                                                                       \
    const v all[] = {__VA_ARGS__};                                                                           \
    (void)call;                                                                                              \
    return sum_of(all, sizeof all / sizeof *all);                                                            \
  } while (0)

static v all(lucet_call *call, v a, v b, v c, v d, v e, v f, v g, v h, v i, v j, v k, v l) {
  SUM(a, b, c, d, e, f, g, h, i, j, k, l);
}
static v first(lucet_call *call, v a, int32_t b, v c, int64_t d, v e, int32_t f, v g, int64_t h, v i, int32_t j, v k,
               int64_t l) {
  SUM(a, words(b), c, words(d), e, words(f), g, words(h), i, words(j), k, words(l));
}
static v second(lucet_call *call, int32_t a, v b, int64_t c, v d, int32_t e, v f, int64_t g, v h, int32_t i, v j,
                int64_t k, v l) {
  SUM(words(a), b, words(c), d, words(e), f, words(g), h, words(i), j, words(k), l);
}
static v behind(lucet_call *call, double a, float b, double c, float d, double e, float f, double g, float h, double i,
                v j, float k, v l) {
  SUM(number(a), number(b), number(c), number(d), number(e), number(f), number(g), number(h), number(i), j, number(k), l);
}
static __m128i mixed(lucet_call *call, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, __m128i g,
                     double h, v i, int32_t j, __m128i k, v l) {
  SUM(words(a), words(b), words(c), words(d), words(e), words(f), (v)g, number(h), i, words(j), (v)k, l);
}
static v constant(lucet_call *call) {
  v made = {0x1122334455667788, -7};
  if (suspending) OK(lucet_call_suspend(call, 3));
  return made;
}
static void look(lucet_call *call, v content) {
  (void)call;
  looked_at = content;
}

static v argument_of(const lucet_value *value) {
  switch (value->type) {
  case LUCET_I32: return words(value->of.i32);
  case LUCET_I64: return words(value->of.i64);
  case LUCET_F32: return number(value->of.f32);
  case LUCET_F64: return number(value->of.f64);
  default: return lucet_vector_of(value->of.v128);
  }
}
static void dynamic(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results) {
  v parts[12];
  int i;
  (void)call;
  (void)data;
  for (i = 0; i < 12; i++)
    parts[i] = argument_of(arguments + i);
  results[0].of.v128 = lucet_v128_of(sum_of(parts, 12));
}

#define ALL_TYPES v, v, v, v, v, v, v, v, v, v, v, v
#define FIRST_TYPES v, int32_t, v, int64_t, v, int32_t, v, int64_t, v, int32_t, v, int64_t
#define SECOND_TYPES int32_t, v, int64_t, v, int32_t, v, int64_t, v, int32_t, v, int64_t, v
#define BEHIND_TYPES double, float, double, float, double, float, double, float, double, v, float, v
#define MIXED_TYPES                                                                                          \
  int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, __m128i, double, v, int32_t, __m128i, v

static const lucet_host_function host[] = {
    LUCET_HOST("all", all, v, ALL_TYPES),          LUCET_HOST("first", first, v, FIRST_TYPES),
    LUCET_HOST("second", second, v, SECOND_TYPES), LUCET_HOST("behind", behind, v, BEHIND_TYPES),
    LUCET_HOST("mixed", mixed, __m128i, MIXED_TYPES), LUCET_HOST("constant", constant, v),
    LUCET_HOST("look", look, void, v)};
static const lucet_host_function leaf[] = {
    LUCET_HOST_LEAF("all", all, v, ALL_TYPES), LUCET_HOST_LEAF("first", first, v, FIRST_TYPES),
    LUCET_HOST_LEAF("second", second, v, SECOND_TYPES), LUCET_HOST_LEAF("behind", behind, v, BEHIND_TYPES),
    LUCET_HOST_LEAF("mixed", mixed, __m128i, MIXED_TYPES)};

/* For lucet_linker_define_dynamic: a letter for each type. */
static void define_dynamic(lucet_linker *linker, const char *name, const char *letters) {
  static const lucet_type result = LUCET_V128;
  lucet_type types[12];
  int i;
  for (i = 0; i < 12; i++)
    types[i] = letters[i] == 'v'   ? LUCET_V128
               : letters[i] == 'i' ? LUCET_I32
               : letters[i] == 'l' ? LUCET_I64
               : letters[i] == 'f' ? LUCET_F32
                                   : LUCET_F64;
  NEED(lucet_linker_define_dynamic(linker, "dynamic", name, types, 12, &result, 1, dynamic, NULL, NULL));
}

static v vec(int n) {
  v made = {0x0101010101010101 * n, (long long)(0x8877665544332211u + (unsigned long long)n)};
  return made;
}
static int same(v left, v right) { return left[0] == right[0] && left[1] == right[1]; }

#define ALL_VALUES vec(1), vec(2), vec(3), vec(4), vec(5), vec(6), vec(7), vec(8), vec(9), vec(10), vec(11), vec(12)
#define FIRST_VALUES vec(1), -2, vec(3), INT64_MIN, vec(5), 6, vec(7), -8, vec(9), INT32_MIN, vec(11), 12
#define SECOND_VALUES -1, vec(2), INT64_MAX, vec(4), INT32_MAX, vec(6), 7, vec(8), -9, vec(10), -11, vec(12)
#define BEHIND_VALUES -1.5, 2.5f, 3, 4, 5, -6, 7, 8, 9.25, vec(10), 11.5f, vec(12)
#define MIXED_VALUES                                                                                         \
  1, -2, 3, -4, 5, -6, (__m128i)vec(7), 8.5, vec(9), -10, (__m128i)vec(11), vec(12)
#define CHECK_ENTRY(name, result_type, values)                                                               \
  do {                                                                                                       \
    memset(&result, 0xee, sizeof result);                                                                    \
    EQUAL(name##_entry(guest, (result_type *)&result, values), LUCET_RETURNED);                              \
    CHECK(same(result, (v)name(NULL, values)));                                                              \
  } while (0)

static void positions(lucet_instance *guest, const lucet_module *module) {
  LUCET_ENTRY(all_entry, v, ALL_TYPES);
  LUCET_ENTRY(first_entry, v, FIRST_TYPES);
  LUCET_ENTRY(second_entry, v, SECOND_TYPES);
  LUCET_ENTRY(behind_entry, v, BEHIND_TYPES);
  LUCET_ENTRY(mixed_entry, __m128i, MIXED_TYPES);
  lucet_outcome outcome;
  v result;
  int kind;
  CHECK(LUCET_FIND(all_entry, module, "all", v, ALL_TYPES));
  CHECK(LUCET_FIND(first_entry, module, "first", v, FIRST_TYPES));
  CHECK(LUCET_FIND(second_entry, module, "second", v, SECOND_TYPES));
  CHECK(LUCET_FIND(behind_entry, module, "behind", v, BEHIND_TYPES));
  CHECK(LUCET_FIND(mixed_entry, module, "mixed", __m128i, MIXED_TYPES));
  for (kind = 0; kind < 3; kind++) {
    OK(run_i32(guest, "use", 1, kind, 0, &outcome));
    CHECK_ENTRY(all, v, ALL_VALUES);
    CHECK_ENTRY(first, v, FIRST_VALUES);
    CHECK_ENTRY(second, v, SECOND_VALUES);
    CHECK_ENTRY(behind, v, BEHIND_VALUES);
    CHECK_ENTRY(mixed, __m128i, MIXED_VALUES);
    /* Without a place for the result. */
    EQUAL(all_entry(guest, NULL, ALL_VALUES), LUCET_RETURNED);
  }
}

/* A vector that the guest keeps across calls, and one that it gets when it is resumed. */
static void kept(lucet_instance *guest) {
  lucet_value argument = lucet_value_i64(0x123456789), resumed;
  lucet_outcome outcome;
  int round;
  for (round = 0; round < 2; round++) {
    suspending = round;
    OK(lucet_instance_run(guest, "direct", &argument, 1, &outcome));
    if (round) {
      OUTCOME(outcome, LUCET_SUSPENDED, 0);
      resumed = lucet_value_v128(lucet_v128_of(vec(99)));
      OK(lucet_instance_resume(guest, &resumed, 1, &outcome));
      OUTCOME(outcome, LUCET_SUSPENDED, 0);
      OK(lucet_instance_resume(guest, &resumed, 1, &outcome));
    }
    OUTCOME(outcome, LUCET_RETURNED, 0);
    EQUAL(outcome.values[0].of.v128.lo, 0x123456789);
    EQUAL(outcome.values[0].of.v128.hi, 0x123456789);
    EQUAL(looked_at[1], 0x123456789);
  }
  suspending = 0;
}

int main(void) {
  lucet_linker *linker;
  lucet_region *region = fixture_region(1);
  lucet_module *module;
  lucet_instance *guest;
  LUCET_ENTRY(wrong, v, v);
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "host", host, sizeof host / sizeof *host, NULL));
  NEED(lucet_linker_define(linker, "leaf", leaf, sizeof leaf / sizeof *leaf, NULL));
  define_dynamic(linker, "all", "vvvvvvvvvvvv");
  define_dynamic(linker, "first", "vivlvivlvivl");
  define_dynamic(linker, "second", "ivlvivlvivlv");
  define_dynamic(linker, "behind", "dfdfdfdfdvfv");
  define_dynamic(linker, "mixed", "llllllvdvivv");
  module = fixture_module("vectors", linker);
  lucet_linker_release(linker);
  guest = fixture_instance(region, module, NULL);
  positions(guest, module);
  kept(guest);
  CHECK(!LUCET_FIND(wrong, module, "all", v, v));
  CONTAINS(lucet_last_error(), "(v128) -> (v128)");
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
