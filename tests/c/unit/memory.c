/* memory.c: a guest's memory as the host sees it, at its first and last byte and beyond; growth; allocation
 * in the guest. */
#include "fixture.h"

static lucet_region *region;
static lucet_module *module;

static void access_bytes(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_memory memory = lucet_instance_memory(guest, 0);
  const uint8_t *bytes = NULL;
  uint8_t *writable = NULL, byte = 0;
  char text[16] = "";
  EQUAL(memory.size, 65536);
  CHECK(lucet_at(memory, 16, 11) && !memcmp(lucet_at(memory, 16, 11), "hello, host", 11));
  CHECK(lucet_at(memory, 65535, 1) == memory.data + 65535);
  CHECK(lucet_at(memory, 65536, 0) == memory.data + 65536);
  CHECK(lucet_at(memory, 65536, 1) == NULL && lucet_at(memory, 65535, 2) == NULL &&
        lucet_at(memory, 65537, 0) == NULL);
  CHECK(lucet_at(memory, UINT64_MAX, 1) == NULL && lucet_at(memory, 1, UINT64_MAX) == NULL);
  CHECK(lucet_at(lucet_instance_memory(guest, 1), 0, 0) == NULL);

  OK(lucet_instance_read(guest, 0, 16, text, 5));
  CHECK(!strcmp(text, "hello"));
  OK(lucet_instance_write(guest, 0, 65530, "edge!!", 6));
  EQUAL(RUN1(guest, "load8", 65535), '!');
  OK(lucet_instance_view(guest, 0, 65530, 6, &bytes));
  CHECK(!memcmp(bytes, "edge!!", 6));
  OK(lucet_instance_view_mut(guest, 0, 0, 65536, &writable));
  writable[100] = 77;
  EQUAL(RUN1(guest, "load8", 100), 77);
  OK(lucet_instance_run(guest, "store8", (lucet_value[]){lucet_value_i32(101), lucet_value_i32(300)}, 2,
                        &(lucet_outcome){0}));
  EQUAL(writable[101], 300 - 256);

  FAILS(LUCET_OUT_OF_BOUNDS, "65536 bytes", lucet_instance_read(guest, 0, 65536, &byte, 1));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_read(guest, 0, UINT64_MAX, &byte, 1));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_write(guest, 0, 65535, "ab", 2));
  EQUAL(RUN1(guest, "load8", 65535), '!'); /* nothing was written */
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(guest, 0, 1, UINT64_MAX, &bytes));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view_mut(guest, 0, 65537, 0, &writable));
  OK(lucet_instance_read(guest, 0, 65536, &byte, 0));
  OK(lucet_instance_read(guest, 0, 0, NULL, 0));
  STATUS(LUCET_NOT_FOUND, lucet_instance_read(guest, 1, 0, &byte, 1));
  STATUS(LUCET_NOT_FOUND, lucet_instance_view(guest, UINT32_MAX, 0, 1, &bytes));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_read(guest, 0, 0, NULL, 1));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_write(guest, 0, 0, NULL, 1));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_view(guest, 0, 0, 1, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_view_mut(guest, 0, 0, 1, NULL));
  OK(lucet_instance_release(guest));
  STATUS(LUCET_STALE, lucet_instance_read(guest, 0, 0, &byte, 1));
  STATUS(LUCET_STALE, lucet_instance_view_mut(guest, 0, 0, 1, &writable));
}

static void growth(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  const uint8_t *before = lucet_instance_memory(guest, 0).data;
  uint64_t old = 99;
  lucet_outcome outcome;
  OK(run_i32(guest, "trap_memory", 1, 65536, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_keep(guest));
  OK(lucet_instance_memory_grow(guest, 0, 2, &old));
  EQUAL(old, 1);
  CHECK(lucet_instance_memory(guest, 0).data == before); /* memory never moves */
  EQUAL(lucet_instance_memory(guest, 0).size, 3 * 65536);
  EQUAL(RUN0(guest, "pages"), 3);
  EQUAL(RUN1(guest, "trap_memory", 65536), 0); /* there now, and zero */
  OK(lucet_instance_memory_grow(guest, 0, 0, NULL));
  FAILS(LUCET_LIMIT, "cannot grow by 2", lucet_instance_memory_grow(guest, 0, 2, &old));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 0, UINT64_MAX, &old));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 0, (uint64_t)1 << 48, &old));
  STATUS(LUCET_NOT_FOUND, lucet_instance_memory_grow(guest, 3, 1, &old));
  EQUAL(RUN1(guest, "grow", 1), 3);
  EQUAL(lucet_instance_memory(guest, 0).size, 4 * 65536);
  OK(lucet_instance_release(guest));
}

static void allocation(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  uint64_t first = 0, second = 0;
  OK(lucet_instance_alloc(guest, 100, 8, &first, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(first, 1024);
  OK(lucet_instance_alloc(guest, 10, 64, &second, NULL));
  CHECK(second >= first + 100 && second % 64 == 0);
  OK(lucet_instance_write(guest, 0, first, "text for the guest", 18));
  /* The guest answers an address that it does not have: the host does not believe it. */
  OK(lucet_instance_alloc(guest, 60000, 1, &first, &outcome));
  FAILS(LUCET_OUT_OF_BOUNDS, "", lucet_instance_alloc(guest, 60000, 1, &first, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  STATUS(LUCET_LIMIT, lucet_instance_alloc(guest, (size_t)1 << 33, 1, &first, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  STATUS(LUCET_BAD_STATE, lucet_instance_alloc(guest, 70000, 1, &first, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  STATUS(LUCET_NEEDS_RESET, lucet_instance_alloc(guest, 1, 1, &first, &outcome));
  memset(&outcome, 0xff, sizeof outcome);
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_alloc(guest, 1, 1, NULL, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  memset(&outcome, 0xff, sizeof outcome);
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_alloc(guest, 1, 3, &first, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  OK(lucet_instance_release(guest));
}

int main(void) {
  region = fixture_region(2);
  module = fixture_module("everything", NULL);
  access_bytes();
  growth();
  allocation();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
