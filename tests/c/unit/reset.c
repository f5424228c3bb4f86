/* reset.c: nothing of a run is left after a reset or in a recycled slot: memory, globals, tables, dropped
 * segments, grown pages, references. */
#include "fixture.h"

static void make_a_mess(lucet_instance *guest) {
  lucet_outcome outcome;
  lucet_value arguments[2], value;
  lucet_externref object = {&outcome};
  uint8_t *bytes = NULL;
  EQUAL(RUN1(guest, "grow", 2), 1);
  OK(lucet_instance_view_mut(guest, 0, 0, 3 * 65536, &bytes));
  memset(bytes, 0xee, 3 * 65536);
  EQUAL(RUN1(guest, "table_grow", 3), 4);
  arguments[0] = lucet_value_externref(object);
  arguments[1] = lucet_value_i32(4);
  OK(lucet_instance_run(guest, "objects_grow", arguments, 2, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  value = lucet_value_externref(object);
  OK(lucet_instance_table_set(guest, "objects", 0, &value));
  OK(lucet_instance_global_set(guest, "object", &value));
  value = lucet_value_i64(-1);
  OK(lucet_instance_global_set(guest, "wide", &value));
  OK(lucet_instance_run(guest, "count", NULL, 0, &outcome));
  OK(lucet_instance_run(guest, "drop_passive", NULL, 0, &outcome));
  OK(lucet_instance_run(guest, "drop_later", NULL, 0, &outcome));
  OK(run_i32(guest, "copy_passive", 1, 0, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY); /* the segment is gone */
}

static void expect_new(lucet_instance *guest) {
  static const char hello[] = "hello, host";
  lucet_memory memory = lucet_instance_memory(guest, 0);
  lucet_value value;
  lucet_outcome outcome;
  uint64_t size = 0;
  size_t dirty = 0;
  EQUAL(memory.size, 65536);
  for (size_t at = 0; at < memory.size; at++) {
    uint8_t expected = at >= 16 && at < 16 + sizeof hello - 1 ? (uint8_t)hello[at - 16] : 0;
    if (memory.data[at] != expected) dirty++;
  }
  EQUAL(dirty, 0);
  EQUAL(RUN0(guest, "pages"), 1);
  EQUAL(RUN0(guest, "counter_value"), 7);
  EQUAL(RUN0(guest, "table_pages"), 4);
  OK(lucet_instance_table_size(guest, "objects", &size));
  EQUAL(size, 2);
  OK(lucet_instance_table_get(guest, "objects", 0, &value));
  CHECK(value.of.externref.host == NULL);
  OK(lucet_instance_table_get(guest, "functions", 3, &value));
  EQUAL(value.of.funcref.opaque, 0);
  OK(lucet_instance_global_get(guest, "object", &value));
  CHECK(value.of.externref.host == NULL);
  OK(lucet_instance_global_get(guest, "wide", &value));
  EQUAL(value.of.i64, INT64_C(0x100000002));
  /* Dropped segments are back, and the elements behind a grown table are null. */
  OK(run_i32(guest, "copy_passive", 1, 100, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(!memcmp(memory.data + 100, "passive", 7));
  OK(run_i32(guest, "copy_later", 1, 2, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(RUN1(guest, "table_grow", 4), 4);
  OK(lucet_instance_table_get(guest, "functions", 7, &value));
  EQUAL(value.of.funcref.opaque, 0);
  EQUAL(RUN1(guest, "grow", 2), 1);
  EQUAL(RUN1(guest, "load8", 2 * 65536 + 5), 0);
  OK(lucet_instance_read(guest, 0, 3 * 65536 - 1, &value, 1));
}

int main(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL), *other = fixture_module("late_segment", NULL);
  int mine = 0;
  lucet_instance *guest = fixture_instance(region, module, &mine);
  expect_new(guest);
  for (int round = 0; round < 3; round++) {
    OK(lucet_instance_reset(guest));
    make_a_mess(guest);
    OK(lucet_instance_reset(guest));
    CHECK(lucet_instance_data(guest) == &mine);
    expect_new(guest);
  }
  /* The same slot for the next tenant, of the same and of another module. */
  OK(lucet_instance_reset(guest));
  make_a_mess(guest);
  OK(lucet_instance_release(guest));
  guest = fixture_instance(region, other, NULL);
  EQUAL(lucet_instance_memory(guest, 0).size, 65536);
  {
    size_t dirty = 0;
    for (size_t at = 0; at < 65536; at++)
      dirty += lucet_instance_memory(guest, 0).data[at] != 0;
    EQUAL(dirty, 0);
  }
  OK(lucet_instance_release(guest));
  guest = fixture_instance(region, module, NULL);
  CHECK(lucet_instance_data(guest) == NULL);
  expect_new(guest);
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_module_release(other);
  lucet_region_release(region);
  return finish();
}
