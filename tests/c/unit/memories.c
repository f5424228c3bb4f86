/* memories.c: memories beyond the first, sizes beyond 32 bits, and pages of one byte, as the host sees them: introspection,
 * views, copies, growth, limits, what a reset leaves. */
#include "fixture.h"

#define GIB ((uint64_t)1 << 30)

static lucet_module *module;

static void introspection(void) {
  lucet_requirements needs = lucet_requirements_default();
  lucet_extern found;
  OK(lucet_module_requirements(module, &needs));
  EQUAL(needs.memories, 3);
  EQUAL(needs.memory_bytes, 65536);
  EQUAL(needs.memory_maximum_bytes, 8 * GIB);
  EQUAL(needs.reservation_bytes, 0); /* memory 0 has 64-bit indices: code compares them */
  CHECK(needs.stack_guard_bytes > 0);
  for (size_t index = 0; index < lucet_module_export_count(module); index++) {
    OK(lucet_module_export(module, index, &found));
    if (found.kind == LUCET_EXTERN_TABLE) {
      EQUAL(found.flags, LUCET_EXTERN_BOUNDED | LUCET_EXTERN_INDEX_64);
      EQUAL(found.page_bytes, 0);
    }
    if (found.kind != LUCET_EXTERN_MEMORY) continue;
    int wide = found.name_length == 4, bytes = !wide && found.name[0] == 'b';
    EQUAL(found.flags, LUCET_EXTERN_BOUNDED | (wide ? LUCET_EXTERN_INDEX_64 : 0));
    EQUAL(found.page_bytes, bytes ? 1 : 65536);
    EQUAL(found.minimum, bytes ? 11 : 1);
    EQUAL(found.maximum, wide ? 0x20000 : bytes ? 100 : 2);
  }
}

/* Regions know what they must offer. */
static lucet_region *fitted(uint64_t memory_bytes) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region *region = NULL;
  config.instances = 2;
  NEED(lucet_region_new(&config, &region));
  FAILS(LUCET_INCOMPATIBLE, "a number of memories of 3", lucet_region_check(region, module));
  lucet_region_release(region);
  OK(lucet_region_config_fit(&config, module));
  EQUAL(config.memories, 3);
  config.memory_bytes = memory_bytes;
  NEED(lucet_region_new(&config, &region));
  OK(lucet_region_check(region, module));
  return region;
}

static int32_t load_wide(lucet_instance *guest, uint64_t address) {
  lucet_value argument = lucet_value_i64((int64_t)address);
  lucet_outcome outcome;
  OK(lucet_instance_run(guest, "load_wide", &argument, 1, &outcome));
  if (outcome.kind == LUCET_RETURNED) return outcome.values[0].of.i32;
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_keep(guest));
  return -1;
}

static void beyond_32_bits(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  const uint8_t *before = lucet_instance_memory(guest, 0).data, *view = NULL;
  uint8_t *writable = NULL, byte = 0;
  uint64_t old = 0;
  EQUAL(load_wide(guest, 65535), 0);
  EQUAL(load_wide(guest, 65536), -1);
  OK(lucet_instance_memory_grow(guest, 0, 5 * GIB / 65536 - 1, &old));
  EQUAL(old, 1);
  EQUAL(RUN0(guest, "pages"), 5 * GIB / 65536);
  EQUAL(lucet_instance_memory(guest, 0).size, 5 * GIB);
  CHECK(lucet_instance_memory(guest, 0).data == before); /* memories never move */
  OK(lucet_instance_write(guest, 0, 5 * GIB - 4, "far", 4));
  EQUAL(load_wide(guest, 5 * GIB - 4), 'f');
  EQUAL(load_wide(guest, 5 * GIB), -1);
  EQUAL(load_wide(guest, GIB), 0); /* not 5 GiB - 4 in 32 bits */
  OK(lucet_instance_view(guest, 0, 5 * GIB - 4, 4, &view));
  CHECK(view == before + (5 * GIB - 4) && !memcmp(view, "far", 4));
  OK(lucet_instance_view_mut(guest, 0, 4 * GIB + 1, 1, &writable));
  *writable = 9;
  EQUAL(load_wide(guest, 4 * GIB + 1), 9);
  FAILS(LUCET_OUT_OF_BOUNDS, "5368709120 bytes", lucet_instance_read(guest, 0, 5 * GIB, &byte, 1));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(guest, 0, 4 * GIB, GIB + 1, &view));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(guest, 0, UINT64_MAX, 2, &view));
  CHECK(lucet_at(lucet_instance_memory(guest, 0), 5 * GIB - 1, 1) == before + (5 * GIB - 1));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 0, 2 * GIB / 65536, NULL)); /* the region has 6 GiB */
  OK(lucet_instance_reset(guest));
  EQUAL(lucet_instance_memory(guest, 0).size, 65536);
  OK(lucet_instance_memory_grow(guest, 0, 5 * GIB / 65536, NULL));
  EQUAL(load_wide(guest, 5 * GIB - 4), 0);
  OK(lucet_instance_release(guest));
}

static void further(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_memory bytes = lucet_instance_memory(guest, 1), plain = lucet_instance_memory(guest, 2);
  char text[16] = "";
  const uint8_t *view = NULL;
  uint64_t old = 0;
  EQUAL(bytes.size, 11);
  EQUAL(plain.size, 65536);
  CHECK(!memcmp(lucet_at(bytes, 2, 9), "ten bytes", 9) && lucet_at(bytes, 11, 1) == NULL);
  OK(lucet_instance_read(guest, 1, 2, text, 9));
  CHECK(!strcmp(text, "ten bytes"));
  OK(lucet_instance_write(guest, 2, 65535, "!", 1));
  EQUAL(RUN1(guest, "load_plain", 65535), '!');
  EQUAL(RUN1(guest, "load_bytes", 10), 's');
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_write(guest, 1, 10, "ab", 2));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(guest, 2, 65536, 1, &view));
  STATUS(LUCET_NOT_FOUND, lucet_instance_view(guest, 3, 0, 0, &view));
  CHECK(lucet_instance_memory(guest, 3).data == NULL);
  OK(lucet_instance_memory_grow(guest, 1, 89, &old)); /* bytes */
  EQUAL(old, 11);
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 1, 1, NULL));
  OK(lucet_instance_memory_grow(guest, 2, 1, &old));
  EQUAL(old, 1);
  EQUAL(RUN0(guest, "sizes"), 2100);
  CHECK(lucet_instance_memory(guest, 1).data == bytes.data && lucet_instance_memory(guest, 2).data == plain.data);
  OK(lucet_instance_write(guest, 1, 99, "x", 1));
  OK(lucet_instance_write(guest, 2, 131071, "x", 1));
  OK(lucet_instance_reset(guest));
  EQUAL(RUN0(guest, "sizes"), 1011);
  OK(lucet_instance_memory_grow(guest, 1, 89, NULL));
  OK(lucet_instance_memory_grow(guest, 2, 1, NULL));
  EQUAL(RUN1(guest, "load_bytes", 99), 0);
  EQUAL(RUN1(guest, "load_bytes", 2), 't');
  EQUAL(RUN1(guest, "load_plain", 65535), 0);
  EQUAL(RUN1(guest, "load_plain", 131071), 0);
  OK(lucet_instance_release(guest));
}

/* The limit is about all memories together. */
static void limits(lucet_region *region) {
  lucet_limits limits = lucet_limits_default();
  lucet_instance_stats stats = lucet_instance_stats_default();
  lucet_instance *guest = NULL;
  limits.memory_bytes = 2 * 65536;
  FAILS(LUCET_LIMIT, "a memory of 131083", lucet_instance_new(region, module, NULL, &limits, &guest));
  limits.memory_bytes = 3 * 65536 + 20;
  NEED(lucet_instance_new(region, module, NULL, &limits, &guest));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 0, 2, NULL));
  OK(lucet_instance_memory_grow(guest, 0, 1, NULL));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 2, 1, NULL));
  STATUS(LUCET_LIMIT, lucet_instance_memory_grow(guest, 1, 10, NULL));
  OK(lucet_instance_memory_grow(guest, 1, 9, NULL));
  OK(lucet_instance_get_stats(guest, &stats));
  EQUAL(stats.memory_bytes, 3 * 65536 + 20);
  EQUAL(stats.peak_memory_bytes, 3 * 65536 + 20);
  OK(lucet_instance_release(guest));
}

static void tables(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  int object = 0;
  lucet_value value = lucet_value_externref((lucet_externref){&object}), back;
  uint64_t size = 0;
  OK(lucet_instance_table_size(guest, "objects", &size));
  EQUAL(size, 2);
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_table_set(guest, "objects", (uint64_t)1 << 32, &value));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_table_get(guest, "objects", UINT64_MAX, &back));
  OK(lucet_instance_table_grow(guest, "objects", 3, &value, &size));
  EQUAL(size, 2);
  OK(lucet_instance_table_get(guest, "objects", 4, &back));
  CHECK(back.of.externref.host == &object);
  STATUS(LUCET_LIMIT, lucet_instance_table_grow(guest, "objects", 1, &value, NULL));
  STATUS(LUCET_LIMIT, lucet_instance_table_grow(guest, "objects", UINT64_MAX, &value, NULL));
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_region *region;
  NEED(lucet_signals_install(0));
  module = fixture_module("memories", NULL);
  introspection();
  region = fitted(6 * GIB);
  beyond_32_bits(region);
  further(region);
  limits(region);
  tables(region);
  lucet_region_release(region);
  lucet_module_release(module);
  return finish();
}
