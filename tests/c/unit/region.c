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
  const lucet_region_config possible = config;
  config.instances = 100000;
  FAILS(LUCET_LIMIT, "100000 instances", lucet_region_config_fit(&config, large));
  config = possible;
  config.stack_bytes = 4096;
  FAILS(LUCET_LIMIT, "stack of an instance is 4096", lucet_region_config_fit(&config, large));
  config = possible;
  config.memory_bytes = UINT64_MAX;
  STATUS(LUCET_LIMIT, lucet_region_config_fit(&config, large));
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

static lucet_region_stats stats_of(const lucet_region *region) {
  lucet_region_stats stats = lucet_region_stats_default();
  OK(lucet_region_get_stats(region, &stats));
  return stats;
}

/* Makes `count` instances, has each write to some pages, and releases them: idle slots keep memory then. */
static void use(lucet_region *region, const lucet_module *module, int count) {
  lucet_instance *guests[8];
  uint8_t *bytes = NULL;
  for (int round = 0; round < 3; round++) {
    for (int at = 0; at < count; at++) {
      guests[at] = fixture_instance(region, module, NULL);
      EQUAL(RUN2(guests[at], "add", at, 1), at + 1);
      OK(lucet_instance_view_mut(guests[at], 0, 0, 40000, &bytes));
      memset(bytes, 0x5a, 40000);
    }
    for (int at = 0; at < count; at++)
      OK(lucet_instance_release(guests[at]));
  }
}

/* Idle slots keep what their guests write, until the region is trimmed. */
static void trimming(void) {
  lucet_region *region = fixture_region(4);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = NULL;
  lucet_region_stats before, after;
  use(region, module, 4);
  before = stats_of(region);
  CHECK(before.kept_bytes >= 4 * 40000);
  CHECK(before.resident_bytes >= 4 * 40000 && before.resident_bytes <= before.kept_bytes);
  EQUAL(before.given_back, 0);
  OK(lucet_region_trim(region, before.kept_bytes)); /* as much as there is */
  EQUAL(stats_of(region).kept_bytes, before.kept_bytes);
  OK(lucet_region_trim(region, before.kept_bytes - 1)); /* one slot's worth less */
  after = stats_of(region);
  CHECK(after.kept_bytes < before.kept_bytes && after.kept_bytes >= before.kept_bytes / 2);
  EQUAL(after.given_back, 1);
  guest = fixture_instance(region, module,
                           NULL); /* takes the slot that was released last, which has kept everything */
  OK(lucet_region_trim(region, 0));
  after = stats_of(region);
  EQUAL(after.given_back, 3);
  CHECK(after.kept_bytes > 0 && after.kept_bytes < before.kept_bytes / 3); /* the living one's */
  EQUAL(RUN2(guest, "add", 2, 3), 5);
  OK(lucet_instance_release(guest));
  OK(lucet_region_trim(region, 0));
  after = stats_of(region);
  EQUAL(after.kept_bytes, 0);
  CHECK(after.resident_bytes < 4096);
  use(region, module, 4); /* and everything works as before */
  CHECK(stats_of(region).kept_bytes == before.kept_bytes);
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_trim(NULL, 0));
  lucet_module_release(module);
  lucet_region_release(region);
}

/* With a budget, slots that have been idle for longest make room, and the last gives its own memory up. */
static void budgets(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_module *module = fixture_module("everything", NULL);
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_region_stats stats;
  uint64_t each = 0;
  config.instances = 4;
  NEED(lucet_region_new(&config, &region));
  use(region, module, 1);
  each = stats_of(region).kept_bytes;
  lucet_region_release(region);

  config.budget_bytes = 2 * each + 4096;
  NEED(lucet_region_new(&config, &region));
  use(region, module, 4);
  stats = stats_of(region);
  CHECK(stats.kept_bytes <= config.budget_bytes && stats.kept_bytes >= each);
  CHECK(stats.resident_bytes <= config.budget_bytes);
  CHECK(stats.given_back >= 2);
  lucet_region_release(region);

  config.budget_bytes = 4096; /* less than any slot wants */
  NEED(lucet_region_new(&config, &region));
  use(region, module, 4);
  stats = stats_of(region);
  EQUAL(stats.kept_bytes, 0);
  CHECK(stats.resident_bytes <= config.budget_bytes);
  guest = fixture_instance(region, module, NULL);
  for (int round = 0; round < 3; round++) {
    EQUAL(RUN1(guest, "load8", 20000), 0); /* given back is as good as restored */
    OK(lucet_instance_write(guest, 0, 20000, "x", 1));
    OK(lucet_instance_reset(guest));
  }
  STATUS(LUCET_LIMIT, lucet_region_prefault(region, module, 1));
  OK(lucet_instance_release(guest));
  lucet_region_release(region);
  lucet_module_release(module);
}

static long page_faults(void) {
  struct rusage usage;
  EQUAL(getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_minflt;
}

/* Faults of the first request in each of the region's four slots. */
static long first_requests(lucet_region *region, const lucet_module *module) {
  lucet_instance *guests[4];
  long before = page_faults();
  for (int at = 0; at < 4; at++) {
    guests[at] = fixture_instance(region, module, NULL);
    EQUAL(RUN2(guests[at], "add", at, 1), at + 1);
  }
  before = page_faults() - before;
  for (int at = 0; at < 4; at++)
    OK(lucet_instance_release(guests[at]));
  return before;
}

/* The first request in a slot that has been made ready faults no page. */
static void prefaulting(void) {
  lucet_region *region = fixture_region(4), *cold = fixture_region(4);
  lucet_module *module = fixture_module("everything", NULL), *other = fixture_module("late_segment", NULL),
               *unlinked = NULL;
  long faults = 0, cold_faults = 0;
  use(cold, module, 1); /* what guests write is known by now, and the library's own pages are there */
  OK(lucet_region_prefault(region, module, 4));
  CHECK(stats_of(region).kept_bytes >= 4 * 40000);
  CHECK(stats_of(region).resident_bytes >= 4 * 40000);
  EQUAL(stats_of(region).live, 0);
  faults = first_requests(region, module);
  lucet_region_release(cold);
  cold = fixture_region(4);
  cold_faults = first_requests(cold, module);
  CHECK(faults + 8 <= cold_faults);
  CHECK(faults <= 4);
  OK(lucet_region_prefault(region, module, 0));
  OK(lucet_region_prefault(region, module, 100)); /* more than there are */
  OK(lucet_region_prefault(region, other, 2));    /* slots of another module, since there are no others */
  first_requests(region, module);
  NEED(lucet_module_load_file(guest_path("everything"), NULL, NULL, &unlinked));
  STATUS(LUCET_UNLINKED, lucet_region_prefault(region, unlinked, 1));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_prefault(NULL, module, 1));
  STATUS(LUCET_NULL_ARGUMENT, lucet_region_prefault(region, NULL, 1));
  lucet_module_release(unlinked);
  unlinked = fixture_module("large", NULL);
  STATUS(LUCET_INCOMPATIBLE, lucet_region_prefault(region, unlinked, 1));
  lucet_module_release(unlinked);
  lucet_module_release(other);
  lucet_module_release(module);
  lucet_region_release(cold);
  lucet_region_release(region);
}

/* A place where the host may write and does not, as in a buffer for a header that is not there, is not opened again and again. */
static void places_that_are_not_written(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_region_stats stats;
  uint8_t *place = NULL;
  for (int round = 0; round < 8; round++) {
    OK(lucet_instance_view_mut(guest, 0, 40000, 100, &place));
    OK(lucet_instance_reset(guest));
  }
  const uint64_t opened = stats_of(region).slots_opened, slow = stats_of(region).resets_slow;
  CHECK(opened <= 2);
  for (int round = 0; round < 8; round++) {
    OK(lucet_instance_view_mut(guest, 0, 40000, 100, &place));
    place[50] = 'x';
    OK(lucet_instance_reset(guest));
    OK(lucet_instance_view_mut(guest, 0, 40000, 100, &place));
    EQUAL(place[50], 0);
    OK(lucet_instance_reset(guest));
  }
  stats = stats_of(region);
  EQUAL(stats.slots_opened, opened);
  EQUAL(stats.resets_slow, slow);
  /* Up to the end of what the module starts with, and beyond: nothing is restored that was not there. */
  EQUAL(RUN1(guest, "grow", 1), 1);
  OK(lucet_instance_view_mut(guest, 0, 65536 - 10, 20, &place));
  place[5] = place[15] = 'x';
  OK(lucet_instance_reset(guest));
  EQUAL(RUN1(guest, "grow", 1), 1);
  OK(lucet_instance_view_mut(guest, 0, 65536 - 10, 20, &place));
  CHECK(place[5] == 0 && place[15] == 0);
  lucet_instance_release(guest);
  lucet_module_release(module);
  lucet_region_release(region);
}

/* Resets are fast when a guest has written what guests of its module write. What each counter says, step by step. */
static void counting_resets(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_region_stats stats;
  lucet_outcome outcome;
  for (int round = 0; round < 8; round++) {
    OK(lucet_instance_write(guest, 0, 20000, "x", 1));
    OK(lucet_instance_reset(guest));
  }
  stats = stats_of(region);
  CHECK(stats.resets_slow >= 1 && stats.resets_fast >= 1);
  EQUAL(stats.resets_slow + stats.resets_fast, 8);
  EQUAL(stats.reset, 8);
  const uint64_t slow = stats.resets_slow, fast = stats.resets_fast, opened = stats.slots_opened;
  OK(lucet_instance_write(guest, 0, 20000, "x", 1)); /* as before */
  OK(lucet_instance_reset(guest));
  stats = stats_of(region);
  EQUAL(stats.resets_fast, fast + 1);
  EQUAL(stats.slots_opened, opened);
  OK(run_i32(guest, "store8", 2, 50000, 1, &outcome)); /* elsewhere: by the guest, and by the host */
  OK(run_i32(guest, "store8", 2, 60000, 1, &outcome));
  EQUAL(stats_of(region).slots_opened, opened + 1);
  OK(lucet_instance_reset(guest));
  EQUAL(stats_of(region).resets_slow, slow + 1);
  OK(lucet_instance_write(guest, 0, 1000, "x", 1));
  EQUAL(stats_of(region).slots_opened, opened + 2);
  OK(lucet_instance_reset(guest));
  EQUAL(stats_of(region).resets_slow, slow + 2);
  OK(lucet_instance_reset(guest)); /* it has written nothing */
  EQUAL(stats_of(region).resets_fast, fast + 2);
  EQUAL(RUN1(guest, "grow", 1), 1);
  OK(lucet_instance_release(guest)); /* releases count as well */
  stats = stats_of(region);
  EQUAL(stats.resets_slow, slow + 3);
  EQUAL(stats.resets_slow + stats.resets_fast, stats.reset + stats.released);
  lucet_module_release(module);
  lucet_region_release(region);
}

/* A host that writes through a view of an instance that is gone is found out. */
static void verifying(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_module *module = fixture_module("everything", NULL);
  struct lines lines = {0};
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  uint8_t *late = NULL;
  config.instances = 2;
  config.flags = LUCET_REGION_VERIFY;
  config.log = log_line;
  config.log_data = &lines;
  NEED(lucet_region_new(&config, &region));
  use(region, module, 1);
  guest = fixture_instance(region, module, NULL);
  for (int round = 0; round < 4; round++) {
    EQUAL(RUN1(guest, "grow", 2), 1);
    OK(lucet_instance_view_mut(guest, 0, 0, 3 * 65536, &late));
    memset(late, 0x11, 100 + 30000 * (size_t)round);
    OK(lucet_instance_reset(guest));
  }
  OK(lucet_instance_release(guest));
  EQUAL(lines.count, 0);
  late[100] = 1; /* a page that guests write, so it is writable */
  FAILS(LUCET_POISONED, "not clean", lucet_instance_new(region, module, NULL, NULL, &guest));
  CHECK(guest == NULL);
  EQUAL(lines.count, 1);
  guest = fixture_instance(region, module, NULL); /* in the other slot */
  OK(lucet_instance_release(guest));
  guest = fixture_instance(region, module, NULL);
  EQUAL(stats_of(region).live, 2); /* the slot that was written to is not used again */
  OK(lucet_instance_release(guest));
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
  trimming();
  budgets();
  prefaulting();
  places_that_are_not_written();
  counting_resets();
  verifying();
  return finish();
}
