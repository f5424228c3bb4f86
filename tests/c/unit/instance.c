/* instance.c: entering guests by name, handle, reference and typed entry; states; stale handles; values of
 * every type. */
#include "fixture.h"
#include <math.h>

static lucet_region *region;
static lucet_module *module;

static void entries(void) {
  int mine = 5;
  lucet_instance *guest = fixture_instance(region, module, &mine);
  const lucet_func *add = NULL;
  lucet_value arguments[3];
  lucet_outcome outcome;
  lucet_funcref function, null_function = {0}, forged = {0xdeadbeef};
  CHECK(lucet_instance_data(guest) == &mine);
  EQUAL(RUN2(guest, "add", 20, 22), 42);
  NEED(lucet_module_func(module, "add", &add));
  arguments[0] = lucet_value_i32(-1);
  arguments[1] = lucet_value_i32(INT32_MIN);
  OK(lucet_instance_call(guest, add, arguments, 2, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, INT32_MAX);
  OK(lucet_instance_run(guest, "some_function", NULL, 0, &outcome));
  EQUAL(outcome.values[0].type, LUCET_FUNCREF);
  function = outcome.values[0].of.funcref;
  OK(lucet_instance_call_funcref(guest, function, arguments, 2, &outcome));
  EQUAL(outcome.values[0].of.i32, INT32_MAX); /* -1 - INT32_MIN */
  OK(lucet_instance_outcome(guest, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.value_count, 1);
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_call_funcref(guest, null_function, NULL, 0, &outcome));
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_call_funcref(guest, forged, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  arguments[0] = lucet_value_funcref(forged);
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_run(guest, "same_function", arguments, 1, &outcome));
  OK(lucet_instance_start(guest, &outcome)); /* has happened, does nothing */
  OUTCOME(outcome, LUCET_RETURNED, 0);
  OK(lucet_instance_release(guest));
}

static void wrong_entries(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_module *other = fixture_module("large", NULL);
  const lucet_func *size = NULL;
  lucet_value arguments[2];
  lucet_outcome outcome;
  memset(&outcome, 0xff, sizeof outcome);
  arguments[0] = lucet_value_i32(1);
  arguments[1] = lucet_value_i64(1);
  FAILS(LUCET_NOT_FOUND, "\"nobody\"", lucet_instance_run(guest, "nobody", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0); /* written also when the status is an error */
  CHECK(outcome.values == NULL && outcome.value_count == 0);
  STATUS(LUCET_NOT_FOUND, lucet_instance_run(guest, "memory", NULL, 0, &outcome));
  FAILS(LUCET_TYPE_MISMATCH, "(i32, i32) -> (i32)", lucet_instance_run(guest, "add", arguments, 1, &outcome));
  FAILS(LUCET_TYPE_MISMATCH, "argument 1", lucet_instance_run(guest, "add", arguments, 2, &outcome));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_run(guest, "add", NULL, 2, &outcome));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_run(guest, NULL, NULL, 0, &outcome));
  OK(lucet_instance_run(guest, "nothing", NULL, 0, NULL)); /* the outcome is kept with the instance */
  STATUS(LUCET_BAD_ARGUMENT,
         lucet_instance_call(guest, (const lucet_func *)(void *)arguments, NULL, 0, &outcome));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_call(guest, NULL, NULL, 0, &outcome));
  NEED(lucet_module_func(other, "size", &size));
  FAILS(LUCET_BAD_ARGUMENT, "another module", lucet_instance_call(guest, size, NULL, 0, &outcome));
  FAILS(LUCET_BAD_STATE, "neither suspended nor preempted", lucet_instance_resume(guest, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  FAILS(LUCET_BAD_STATE, "", lucet_instance_keep(guest));
  lucet_module_release(other);
  OK(lucet_instance_release(guest));
}

static void values(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_value arguments[12];
  lucet_outcome outcome;
  lucet_externref object;
  lucet_v128 vector = {1, 2};
  int here = 0;
  object.host = &here;
  arguments[0] = lucet_value_i64(INT64_MAX);
  arguments[1] = lucet_value_i64(1);
  OK(lucet_instance_run(guest, "add64", arguments, 2, &outcome));
  EQUAL(outcome.values[0].of.i64, INT64_MIN);
  arguments[0] = lucet_value_f32(0.5f);
  arguments[1] = lucet_value_f32(0.25f);
  OK(lucet_instance_run(guest, "addf32", arguments, 2, &outcome));
  EQUAL(outcome.values[0].type, LUCET_F32);
  CHECK(outcome.values[0].of.f32 > 0.74f && outcome.values[0].of.f32 < 0.76f);
  arguments[0] = lucet_value_f64(INFINITY);
  arguments[1] = lucet_value_f64(-INFINITY);
  OK(lucet_instance_run(guest, "addf64", arguments, 2, &outcome));
  CHECK(isnan(outcome.values[0].of.f64));
  arguments[0] = lucet_value_externref(object);
  OK(lucet_instance_run(guest, "same_object", arguments, 1, &outcome));
  CHECK(outcome.values[0].of.externref.host == &here);
  arguments[0] = lucet_value_v128(vector);
  STATUS(LUCET_TYPE_MISMATCH, lucet_instance_run(guest, "same_object", arguments, 1, &outcome));
  arguments[0] = lucet_value_i32(1);
  arguments[1] = lucet_value_i64(2);
  arguments[2] = lucet_value_f64(3);
  OK(lucet_instance_run(guest, "swap", arguments, 3, &outcome));
  EQUAL(outcome.value_count, 3);
  CHECK(outcome.values[0].type == LUCET_F64 && outcome.values[0].of.f64 > 2.9);
  CHECK(outcome.values[1].type == LUCET_I64 && outcome.values[1].of.i64 == 2);
  CHECK(outcome.values[2].type == LUCET_I32 && outcome.values[2].of.i32 == 1);
  OK(lucet_instance_run(guest, "ten", NULL, 0, &outcome));
  EQUAL(outcome.value_count, 10);
  for (size_t i = 0; i < outcome.value_count; i++)
    EQUAL(outcome.values[i].of.i32, i);
  OK(lucet_instance_run(guest, "nothing", NULL, 0, &outcome));
  EQUAL(outcome.value_count, 0);
  OK(lucet_instance_release(guest));
}

static void typed_numbers(lucet_instance *guest) {
  LUCET_ENTRY(add, int32_t, int32_t, int32_t);
  LUCET_ENTRY(add64, uint64_t, int64_t, uint64_t);
  LUCET_ENTRY(addf32, float, float, float);
  LUCET_ENTRY(twelve, double, int32_t, int64_t, float, double, int32_t, int64_t, float, double, int32_t,
              int64_t, float, double);
  LUCET_ENTRY(integers, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t,
              int32_t, int32_t, int32_t, int32_t);
  struct {
    int32_t before, result, after;
  } around = {11, 0, 22};
  uint64_t wide = 0;
  float single = 0;
  double sum = 0;
  CHECK(LUCET_FIND(add, module, "add", int32_t, int32_t, int32_t));
  EQUAL(add(guest, &around.result, 20, 22), LUCET_RETURNED);
  EQUAL(around.result, 42);
  CHECK(around.before == 11 && around.after == 22); /* exactly the result's bytes are written */
  EQUAL(add(guest, NULL, 1, 1), LUCET_RETURNED);
  CHECK(LUCET_FIND(add64, module, "add64", uint64_t, int64_t, uint64_t));
  EQUAL(add64(guest, &wide, -1, 5000000000u), LUCET_RETURNED);
  EQUAL(wide, 4999999999);
  CHECK(LUCET_FIND(addf32, module, "addf32", float, float, float));
  EQUAL(addf32(guest, &single, 1.5f, 2.25f), LUCET_RETURNED);
  CHECK(single > 3.74f && single < 3.76f);
  CHECK(LUCET_FIND(twelve, module, "twelve", double, int32_t, int64_t, float, double, int32_t, int64_t, float,
                   double, int32_t, int64_t, float, double));
  EQUAL(twelve(guest, &sum, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), LUCET_RETURNED);
  CHECK(sum > 649.5 && sum < 650.5); /* the sum of the squares of 1 to 12 */
  CHECK(LUCET_FIND(integers, module, "integers", int32_t, int32_t, int32_t, int32_t, int32_t, int32_t,
                   int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t));
  EQUAL(integers(guest, &around.result, 1, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 12), LUCET_RETURNED);
  EQUAL(around.result, 172);
}

static void typed_others(lucet_instance *guest) {
  LUCET_ENTRY(count, void);
  LUCET_ENTRY(nothing, void);
  LUCET_ENTRY(object, lucet_externref, lucet_externref);
  LUCET_ENTRY(function, lucet_funcref);
  lucet_externref reference = {&module}, back = {NULL};
  lucet_funcref sub = {0};
  CHECK(LUCET_FIND(object, module, "same_object", lucet_externref, lucet_externref));
  EQUAL(object(guest, &back, reference), LUCET_RETURNED);
  CHECK(back.host == &module);
  CHECK(LUCET_FIND(function, module, "some_function", lucet_funcref));
  EQUAL(function(guest, &sub), LUCET_RETURNED);
  CHECK(sub.opaque != 0);
  CHECK(LUCET_FIND(count, module, "count", void));
  CHECK(LUCET_FIND(nothing, module, "nothing", void));
  EQUAL(count(guest, NULL), LUCET_RETURNED);
  EQUAL(RUN0(guest, "counter_value"), 8);
  EQUAL(nothing(guest, NULL), LUCET_RETURNED);
}

static void typed(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_module *other = fixture_module("large", NULL);
  LUCET_ENTRY(add, int32_t, int32_t, int32_t);
  LUCET_ENTRY(nothing, void);
  LUCET_ENTRY(trap, void);
  LUCET_ENTRY(size, int32_t);
  LUCET_ENTRY(wrong, int64_t, int32_t, int32_t);
  lucet_outcome outcome;
  int32_t result = 0;
  typed_numbers(guest);
  typed_others(guest);
  CHECK(!LUCET_FIND(wrong, module, "add", int64_t, int32_t, int32_t) && wrong == NULL);
  CONTAINS(lucet_last_error(), "(i32, i32) -> (i64)");
  CHECK(!LUCET_FIND(nothing, module, "nobody", void));
  CHECK(!LUCET_FIND(size, module, "swap", int32_t));
  CHECK(LUCET_FIND(size, other, "size", int32_t));
  EQUAL(size(guest, &result), LUCET_NOT_RUN);
  CONTAINS(lucet_last_error(), "another module");
  CHECK(lucet_module_entry(module, "add", LUCET_TYPES(int32_t, int32_t, int32_t)) != NULL);
  CHECK(lucet_module_entry(module, "add", 0x5) == NULL);

  CHECK(LUCET_FIND(add, module, "add", int32_t, int32_t, int32_t));
  CHECK(LUCET_FIND(trap, module, "trap_unreachable", void));
  EQUAL(trap(guest, NULL), LUCET_TRAPPED);
  OK(lucet_instance_outcome(guest, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  EQUAL(add(guest, &result, 1, 1), LUCET_NOT_RUN);
  OK(lucet_instance_release(guest));
  EQUAL(add(guest, &result, 1, 1), LUCET_NOT_RUN);
  CONTAINS(lucet_last_error(), "released");
  lucet_module_release(other);
}

/* A handle is void for ever after release, also when its slot has another tenant. */
static void stale(void) {
  lucet_instance *old = fixture_instance(region, module, NULL), *next, *forged;
  uint64_t garbage[4] = {1, 2, 3, 4};
  lucet_outcome outcome;
  OK(lucet_instance_release(old));
  STATUS(LUCET_STALE, lucet_instance_release(old));
  OK(lucet_instance_release(NULL));
  next = fixture_instance(region, module, NULL);
  CHECK(next != old);
  STATUS(LUCET_STALE, lucet_instance_release(old));
  STATUS(LUCET_STALE, lucet_instance_reset(old));
  FAILS(LUCET_STALE, "released", lucet_instance_run(old, "nothing", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  STATUS(LUCET_STALE, lucet_instance_outcome(old, &outcome));
  CHECK(lucet_instance_data(old) == NULL);
  CHECK(lucet_instance_memory(old, 0).data == NULL);
  EQUAL(lucet_instance_describe(old, NULL, 0), 0);
  EQUAL(RUN2(next, "add", 1, 1), 2);
  forged = (lucet_instance *)(void *)garbage; /* a handle is a number: nothing is read through it */
  STATUS(LUCET_STALE, lucet_instance_reset(forged));
  forged = (lucet_instance *)(uintptr_t)UINT64_MAX;
  STATUS(LUCET_STALE, lucet_instance_reset(forged));
  OK(lucet_instance_release(next));
}

int main(void) {
  region = fixture_region(2);
  module = fixture_module("everything", NULL);
  entries();
  wrong_entries();
  values();
  typed();
  stale();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
