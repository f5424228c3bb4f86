/* region.c: what a region is made with, what it refuses, and its statistics. */
#include "fixture.h"
#include <sys/resource.h>

struct lines {
  int count;
};
static void log_line(void *data, int level, const char *text, size_t length) {
  (void)level;
  (void)text;
  (void)length;
  ((struct lines *)data)->count++;
}

static void refused(const char *part, lucet_status expected, lucet_region_config config) {
  lucet_region *region = NULL;
  FAILS(expected, part, lucet_region_new(&config, &region));
  CHECK(region == NULL);
}

/* NULL, and fields that are 0, are what lucet_region_config_default says. */
static void defaults(lucet_region_config *config) {
  lucet_region_stats by_null = lucet_region_stats_default(), by_zero = lucet_region_stats_default(),
                     by_name = by_null;
  lucet_region *region = NULL;
  NEED(lucet_region_new(NULL, &region));
  OK(lucet_region_get_stats(region, &by_null));
  lucet_region_release(region);
  memset(config, 0, sizeof *config);
  config->struct_size = sizeof *config;
  NEED(lucet_region_new(config, &region));
  OK(lucet_region_get_stats(region, &by_zero));
  lucet_region_release(region);
  *config = lucet_region_config_default();
  NEED(lucet_region_new(config, &region));
  OK(lucet_region_get_stats(region, &by_name));
  lucet_region_release(region);
  EQUAL(by_name.capacity, 64);
  CHECK(by_null.capacity == by_name.capacity && by_zero.capacity == by_name.capacity);
  CHECK(by_null.reserved_bytes == by_name.reserved_bytes && by_zero.reserved_bytes == by_name.reserved_bytes);
}

static void configurations(void) {
  lucet_region_config config = lucet_region_config_default();
  EQUAL(config.instances, 64);
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_new(&config, NULL));
  config.struct_size = 8;
  refused("struct_size", LUCET_BAD_STRUCT, config);
  config = lucet_region_config_default();
  config.struct_size = 1 << 20;
  refused("struct_size", LUCET_BAD_STRUCT, config);
  config = lucet_region_config_default();
  config.reserved[0] = 1;
  refused("reserved", LUCET_BAD_STRUCT, config);
  config = lucet_region_config_default();
  config.memory_bytes = UINT64_MAX;
  refused("", LUCET_LIMIT, config);
  config = lucet_region_config_default();
  config.stack_bytes = 1;
  refused("stack", LUCET_LIMIT, config);
  config = lucet_region_config_default();
  config.values = 1 << 20;
  refused("values", LUCET_LIMIT, config);
  config = lucet_region_config_default();
  config.leaf_stack_bytes = config.stack_bytes;
  refused("leaf", LUCET_LIMIT, config);
  config = lucet_region_config_default();
  config.flags = 0xffff;
  refused("flags", LUCET_BAD_ARGUMENT, config);
  defaults(&config);
}

static void no_address_space(void) {
#ifndef __SANITIZE_ADDRESS__
  lucet_region_config config = lucet_region_config_default();
  struct rlimit before, low;
  lucet_region *region = NULL;
  EQUAL(getrlimit(RLIMIT_AS, &before), 0);
  low = before;
  low.rlim_cur = (rlim_t)2 << 30;
  EQUAL(setrlimit(RLIMIT_AS, &low), 0);
  STATUS(LUCET_NO_MEMORY, lucet_region_new(&config, &region));
  CHECK(region == NULL);
  EQUAL(setrlimit(RLIMIT_AS, &before), 0);
#endif
}

static void fitting(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_module *large = fixture_module("large", NULL);
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  config.instances = 1;
  NEED(lucet_region_new(&config, &region));
  FAILS(LUCET_INCOMPATIBLE, "table elements", lucet_region_check(region, large));
  FAILS(LUCET_INCOMPATIBLE, "table elements", lucet_instance_new(region, large, NULL, NULL, &guest));
  lucet_region_release(region);
  OK(lucet_region_config_fit(&config, large));
  CHECK(config.memory_bytes >= 320 * 65536 && config.table_elements >= 20000);
  EQUAL(config.instances, 1);
  NEED(lucet_region_new(&config, &region));
  OK(lucet_region_check(region, large));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_check(region, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_check(NULL, large));
  guest = fixture_instance(region, large, NULL);
  EQUAL(RUN0(guest, "size"), 320);
  OK(lucet_instance_release(guest));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_config_fit(NULL, large));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_config_fit(&config, NULL));
  config.struct_size = 1;
  STATUS(LUCET_BAD_STRUCT, lucet_region_config_fit(&config, large));
  lucet_region_release(region);
  lucet_module_release(large);
}

static void statistics(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region_stats stats = lucet_region_stats_default();
  struct lines lines = {0};
  lucet_module *module = fixture_module("everything", NULL);
  lucet_region *region = NULL;
  lucet_instance *guests[3] = {NULL};
  lucet_outcome outcome;
  config.instances = 2;
  config.log = log_line;
  config.log_data = &lines;
  NEED(lucet_region_new(&config, &region));
  guests[0] = fixture_instance(region, module, NULL);
  guests[1] = fixture_instance(region, module, NULL);
  FAILS(LUCET_REGION_FULL, "2 slots", lucet_instance_new(region, module, NULL, NULL, &guests[2]));
  CHECK(guests[2] == NULL);
  OK(lucet_instance_run(guests[0], "trap_unreachable", NULL, 0, &outcome));
  OK(lucet_instance_reset(guests[0]));
  OK(lucet_region_get_stats(region, &stats));
  EQUAL(stats.capacity, 2);
  EQUAL(stats.live, 2);
  EQUAL(stats.created, 2);
  EQUAL(stats.reset, 1);
  EQUAL(stats.trapped, 1);
  EQUAL(stats.traps[LUCET_TRAP_UNREACHABLE], 1);
  EQUAL(stats.terminated, 0);
  CHECK(stats.resident_bytes >= 2 * 4096 && stats.reserved_bytes > (uint64_t)8 << 30);
  OK(lucet_instance_release(guests[1]));
  OK(lucet_region_get_stats(region, &stats));
  EQUAL(stats.live, 1);
  EQUAL(stats.released, 1);
  guests[1] = fixture_instance(region, module, NULL); /* the slot is free again */
  OK(lucet_instance_release(guests[1]));
  stats.struct_size = 4;
  STATUS(LUCET_BAD_STRUCT, lucet_region_get_stats(region, &stats));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_get_stats(region, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_get_stats(NULL, &stats));
  /* In any order: the instance holds its region. */
  lucet_region_release(region);
  lucet_module_release(module);
  EQUAL(RUN2(guests[0], "add", 1, 2), 3);
  OK(lucet_instance_release(guests[0]));
}

static void wrong_kinds(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = NULL;
  lucet_region_stats stats = lucet_region_stats_default();
  FAILS(LUCET_BAD_ARGUMENT, "lucet_region",
        lucet_instance_new((lucet_region *)(void *)module, module, NULL, NULL, &guest));
  FAILS(LUCET_BAD_ARGUMENT, "lucet_module",
        lucet_instance_new(region, (const lucet_module *)(void *)region, NULL, NULL, &guest));
  STATUS(LUCET_BAD_ARGUMENT, lucet_region_get_stats((const lucet_region *)(void *)module, &stats));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_new(NULL, module, NULL, NULL, &guest));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_new(region, NULL, NULL, NULL, &guest));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_new(region, module, NULL, NULL, NULL));
  lucet_module_release(module);
  lucet_region_release(region);
}

int main(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region *region = NULL;
  FAILS(LUCET_NO_SIGNALS, "lucet_signals_install", lucet_region_new(&config, &region));
  NEED(lucet_signals_install(0));
  configurations();
  no_address_space();
  fitting();
  statistics();
  wrong_kinds();
  return finish();
}
