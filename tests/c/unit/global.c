/* global.c: exported globals of every type. */
#include "fixture.h"

static void numbers(lucet_instance *guest) {
  lucet_value value, back;
  lucet_outcome outcome;

  OK(lucet_instance_global_get(guest, "counter", &value));
  EQUAL(value.type, LUCET_I32);
  EQUAL(value.of.i32, 7);
  value = lucet_value_i32(-5);
  OK(lucet_instance_global_set(guest, "counter", &value));
  OK(lucet_instance_run(guest, "count", NULL, 0, &outcome));
  EQUAL(RUN0(guest, "counter_value"), -4);
  OK(lucet_instance_global_get(guest, "counter", &value));
  EQUAL(value.of.i32, -4);

  OK(lucet_instance_global_get(guest, "fixed", &value));
  EQUAL(value.of.i64, 40);
  FAILS(LUCET_BAD_ARGUMENT, "immutable", lucet_instance_global_set(guest, "fixed", &value));
  FAILS(LUCET_TYPE_MISMATCH, "i32", lucet_instance_global_set(guest, "counter", &value));
  OK(lucet_instance_global_get(guest, "small", &value));
  CHECK(value.type == LUCET_F32 && value.of.f32 > 0.24f && value.of.f32 < 0.26f);
  value = lucet_value_f64(1.5);
  OK(lucet_instance_global_set(guest, "ratio", &value));
  OK(lucet_instance_global_get(guest, "ratio", &back));
  CHECK(back.of.f64 > 1.49 && back.of.f64 < 1.51);
  OK(lucet_instance_global_get(guest, "wide", &value));
  EQUAL(value.type, LUCET_I64);
  EQUAL(value.of.i64, INT64_C(0x100000002));
  EQUAL(value.of.v128.hi, 0);
  value = lucet_value_i64(INT64_MIN);
  OK(lucet_instance_global_set(guest, "wide", &value));
  OK(lucet_instance_global_get(guest, "wide", &back));
  EQUAL(back.of.i64, INT64_MIN);
}

static void references(lucet_instance *guest) {
  lucet_value value, back;
  lucet_externref object = {&value};
  lucet_funcref forged = {12345678};
  OK(lucet_instance_global_get(guest, "object", &value));
  CHECK(value.type == LUCET_EXTERNREF && value.of.externref.host == NULL);
  value = lucet_value_externref(object);
  OK(lucet_instance_global_set(guest, "object", &value));
  OK(lucet_instance_global_get(guest, "object", &back));
  CHECK(back.of.externref.host == object.host);
  OK(lucet_instance_global_get(guest, "function", &value));
  CHECK(value.type == LUCET_FUNCREF && value.of.funcref.opaque != 0);
  OK(lucet_instance_global_set(guest, "function", &value));
  value = lucet_value_funcref(forged);
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_global_set(guest, "function", &value));
}

int main(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_value value;
  numbers(guest);
  references(guest);
  FAILS(LUCET_NOT_FOUND, "\"nobody\"", lucet_instance_global_get(guest, "nobody", &value));
  STATUS(LUCET_NOT_FOUND, lucet_instance_global_get(guest, "memory", &value));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_global_get(guest, "counter", NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_global_set(guest, "counter", NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_global_get(guest, NULL, &value));
  OK(lucet_instance_release(guest));
  STATUS(LUCET_STALE, lucet_instance_global_get(guest, "counter", &value));
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
