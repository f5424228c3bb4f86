/* limits.c: what one instance may use, beyond what its region allows. */
#include "fixture.h"

static void growth(lucet_region *region, lucet_module *module) {
  lucet_instance *guest = NULL;
  lucet_limits limits = lucet_limits_default();
  uint64_t old = 0;
  limits.memory_bytes = 2 * 65536;
  limits.table_elements = 7;
  NEED(lucet_instance_new(region, module, NULL, &limits, &guest));
  EQUAL(RUN1(guest, "grow", 1), 1);
  EQUAL(RUN1(guest, "grow", 1), -1);
  EQUAL(RUN1(guest, "grow", 0), 2);
  EQUAL(RUN1(guest, "table_grow", 1), 4); /* 4 + 2 elements before, 7 allowed */
  EQUAL(RUN1(guest, "table_grow", 1), -1);
  FAILS(LUCET_LIMIT, "cannot grow", lucet_instance_memory_grow(guest, 0, 1, &old));
  limits.memory_bytes = 3 * 65536;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_instance_memory_grow(guest, 0, 1, &old));
  EQUAL(old, 2);
  /* A limit below what the guest has takes nothing away, and lets nothing grow. */
  limits.memory_bytes = 65536;
  OK(lucet_instance_set_limits(guest, &limits));
  EQUAL(RUN0(guest, "pages"), 3);
  EQUAL(RUN1(guest, "grow", 1), -1);
  EQUAL(RUN1(guest, "load8", 3 * 65536 - 1), 0);
  /* Reset keeps the limits. */
  OK(lucet_instance_reset(guest));
  EQUAL(RUN0(guest, "pages"), 1);
  EQUAL(RUN1(guest, "grow", 1), -1);
  /* None but the region's: then the module's maximum of 4 pages holds. */
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_set_limits(guest, NULL));
  limits = lucet_limits_default();
  OK(lucet_instance_set_limits(guest, &limits));
  EQUAL(RUN1(guest, "grow", 3), 1);
  EQUAL(RUN1(guest, "grow", 1), -1);
  OK(lucet_instance_release(guest));
  STATUS(LUCET_STALE, lucet_instance_set_limits(guest, &limits));
}

static void refusals(lucet_region *region, lucet_module *module) {
  lucet_instance *guest = NULL;
  lucet_limits limits = lucet_limits_default(), bad;
  limits.memory_bytes = 4096;
  FAILS(LUCET_LIMIT, "the limit is 4096", lucet_instance_new(region, module, NULL, &limits, &guest));
  limits = lucet_limits_default();
  limits.table_elements = 1;
  STATUS(LUCET_LIMIT, lucet_instance_new(region, module, NULL, &limits, &guest));
  CHECK(guest == NULL);

  bad = lucet_limits_default();
  bad.struct_size = 8;
  STATUS(LUCET_BAD_STRUCT, lucet_instance_new(region, module, NULL, &bad, &guest));
  bad = lucet_limits_default();
  bad.reserved[2] = 1;
  STATUS(LUCET_BAD_STRUCT, lucet_instance_new(region, module, NULL, &bad, &guest));
  bad = lucet_limits_default();
  bad.nested_ns = 1;
  FAILS(LUCET_BAD_ARGUMENT, "no slice_ns", lucet_instance_new(region, module, NULL, &bad, &guest));
  bad = lucet_limits_default();
  bad.fuel = 1;
  STATUS(LUCET_UNSUPPORTED, lucet_instance_new(region, module, NULL, &bad, &guest));
  guest = fixture_instance(region, module, NULL);
  STATUS(LUCET_UNSUPPORTED, lucet_instance_set_limits(guest, &bad));
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_region *region = fixture_region(2);
  lucet_module *module = fixture_module("everything", NULL);
  growth(region, module);
  refusals(region, module);
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
