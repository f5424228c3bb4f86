/* table.c: exported tables of functions and of the host's objects. */
#include "fixture.h"

static void functions(lucet_instance *guest) {
  lucet_value value, arguments[3];
  lucet_outcome outcome;
  uint64_t size = 0;
  OK(lucet_instance_table_size(guest, "functions", &size));
  EQUAL(size, 4);
  OK(lucet_instance_table_get(guest, "functions", 0, &value));
  EQUAL(value.type, LUCET_FUNCREF);
  EQUAL(RUN2(guest, "add", 5, 3), 8);
  OK(lucet_instance_table_set(guest, "functions", 3, &value));
  arguments[0] = lucet_value_i32(3);
  arguments[1] = lucet_value_i32(5);
  arguments[2] = lucet_value_i32(3);
  OK(lucet_instance_run(guest, "indirect", arguments, 3, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 8);
  arguments[0] = lucet_value_i32(1);
  OK(lucet_instance_run(guest, "indirect", arguments, 3, &outcome));
  EQUAL(outcome.values[0].of.i32, 2);
  OK(lucet_instance_table_grow(guest, "functions", 2, &value, &size));
  EQUAL(size, 4);
  EQUAL(RUN0(guest, "table_pages"), 6);
  FAILS(LUCET_LIMIT, "cannot grow by 3", lucet_instance_table_grow(guest, "functions", 3, &value, &size));
  STATUS(LUCET_LIMIT, lucet_instance_table_grow(guest, "functions", UINT64_MAX, &value, &size));
  EQUAL(RUN1(guest, "table_grow", 2), 6);
  EQUAL(RUN1(guest, "table_grow", 1), -1);
}

/* In a table behind one that grew. */
static void objects(lucet_instance *guest) {
  lucet_value value;
  lucet_externref object = {&value}, nothing = {NULL};
  lucet_value null_object = lucet_value_externref(nothing);
  lucet_outcome outcome;
  uint64_t size = 0;
  OK(lucet_instance_table_size(guest, "objects", &size));
  EQUAL(size, 2);
  OK(lucet_instance_table_get(guest, "objects", 1, &value));
  CHECK(value.type == LUCET_EXTERNREF && value.of.externref.host == NULL);
  value = lucet_value_externref(object);
  OK(lucet_instance_table_set(guest, "objects", 1, &value));
  OK(run_i32(guest, "objects_get", 1, 1, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(outcome.values[0].of.externref.host == object.host);
  OK(lucet_instance_table_grow(guest, "objects", 1, &null_object, NULL));
  OK(lucet_instance_table_get(guest, "objects", 2, &value));
  CHECK(value.of.externref.host == NULL);
}

static void refusals(lucet_instance *guest) {
  lucet_externref nothing = {NULL};
  lucet_value value, null_object = lucet_value_externref(nothing);
  lucet_funcref forged = {987654321};
  uint64_t size = 0;
  FAILS(LUCET_OUT_OF_BOUNDS, "element 3", lucet_instance_table_get(guest, "objects", 3, &value));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_table_get(guest, "objects", UINT64_MAX, &value));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_table_set(guest, "objects", 3, &null_object));
  FAILS(LUCET_TYPE_MISMATCH, "funcref", lucet_instance_table_set(guest, "functions", 0, &null_object));
  STATUS(LUCET_TYPE_MISMATCH, lucet_instance_table_grow(guest, "functions", 1, &null_object, &size));
  value = lucet_value_funcref(forged);
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_table_set(guest, "functions", 0, &value));
  STATUS(LUCET_NOT_FOUND, lucet_instance_table_size(guest, "nobody", &size));
  STATUS(LUCET_NOT_FOUND, lucet_instance_table_get(guest, "counter", 0, &value));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_table_get(guest, "functions", 0, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_table_set(guest, "functions", 0, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_table_size(guest, NULL, &size));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_table_size(guest, "functions", NULL));
}

int main(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  uint64_t size = 0;
  functions(guest);
  objects(guest);
  refusals(guest);
  OK(lucet_instance_release(guest));
  STATUS(LUCET_STALE, lucet_instance_table_size(guest, "functions", &size));
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
