/* compact.c: 100,000 live instances, in a process with the usual limit of 65,530 mappings: each has its own memory, stack and
 * state, and is called, trapped and reset like any other. And what compact regions refuse. */
#include "fixture.h"
#include <signal.h>

#define COUNT 100000

static lucet_module *module;

static lucet_region_config small_slots(uint32_t instances) {
  lucet_region_config config = lucet_region_config_default();
  config.flags = LUCET_REGION_COMPACT;
  config.instances = instances;
  config.memory_bytes = 65536;
  config.stack_bytes = 64 << 10;
  config.state_bytes = 256; /* raised to what the module needs */
  config.table_elements = 1;
  config.values = 1;
  OK(lucet_region_config_fit(&config, module));
  return config;
}

static void on_signal(int number) { (void)number; }

static void refusals(void) {
  lucet_region_config config = small_slots(1);
  lucet_module *guarded = fixture_module("compact", NULL);
  lucet_region *region = NULL;
  struct sigaction action = {.sa_handler = on_signal}, before;
  NEED(lucet_region_new(&config, &region));
  OK(lucet_region_check(region, module));
  FAILS(LUCET_INCOMPATIBLE, "a memory reservation", lucet_region_check(region, guarded));
  FAILS(LUCET_INCOMPATIBLE, "--memory=bounds", lucet_region_config_fit(&config, guarded));
  lucet_region_release(region);
  lucet_module_release(guarded);
  /* A handler on a guest's stack has no guard below it. */
  sigaction(SIGUSR1, &action, &before);
  FAILS(LUCET_BAD_STATE, "SA_ONSTACK", lucet_region_new(&config, &region));
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR1, &action, NULL);
  OK(lucet_region_new(&config, &region));
  sigaction(SIGUSR1, &before, NULL);
  lucet_region_release(region);
  config.flags = 0x80;
  FAILS(LUCET_BAD_ARGUMENT, "flags", lucet_region_new(&config, &region));
}

static long lines_of(const char *path) {
  FILE *file = fopen(path, "r");
  long lines = 0;
  for (int c; file && (c = fgetc(file)) != EOF;) lines += c == '\n';
  if (file) fclose(file);
  return lines;
}

static long resident_pages(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0;
  if (!file || fscanf(file, "%*d %ld", &pages) != 1) pages = -1;
  if (file) fclose(file);
  return pages;
}

static void many(void) {
  lucet_region_config config = small_slots(COUNT);
  lucet_region *region = NULL;
  lucet_instance **guests = calloc(COUNT, sizeof *guests), *one_more = NULL;
  LUCET_ENTRY(add, int32_t, int32_t);
  LUCET_ENTRY(calls, int32_t);
  LUCET_ENTRY(load, int32_t, int32_t);
  LUCET_ENTRY(deep, int32_t, int32_t);
  long pages = resident_pages(), wrong = 0;
  int32_t result = 0;
  CHECK(LUCET_FIND(add, module, "add", int32_t, int32_t));
  CHECK(LUCET_FIND(calls, module, "calls", int32_t));
  CHECK(LUCET_FIND(load, module, "load", int32_t, int32_t));
  CHECK(LUCET_FIND(deep, module, "deep", int32_t, int32_t));
  if (!guests) exit(1);
  NEED(lucet_region_new(&config, &region));
  for (int32_t i = 0; i < COUNT; i++) NEED(lucet_instance_new(region, module, NULL, NULL, &guests[i]));
  STATUS(LUCET_REGION_FULL, lucet_instance_new(region, module, NULL, NULL, &one_more));
  for (int32_t i = 0; i < COUNT; i++) wrong += add(guests[i], &result, i) != LUCET_RETURNED || result != i;
  EQUAL(wrong, 0);
  /* All are alive at once, each with what it has been given. */
  for (int32_t i = COUNT - 1; i >= 0; i--)
    wrong += add(guests[i], &result, 7) != LUCET_RETURNED || result != i + 7;
  EQUAL(wrong, 0);
  CHECK(lines_of("/proc/self/maps") < 1000);
  pages = resident_pages() - pages;
  /* A page for stack and state, one for the memory that is used, and what the library keeps of an instance. */
  if (!getenv("ASAN_OPTIONS")) CHECK(pages < 4L * COUNT);
  printf("%ld bytes an instance, %ld mappings\n", pages * 4096 / COUNT, lines_of("/proc/self/maps"));

  /* Some reach for their neighbours' memory, above and below. */
  for (int32_t i = 1; i < COUNT; i += 997) {
    wrong += load(guests[i], &result, 65533) != LUCET_TRAPPED;
    OK(lucet_instance_keep(guests[i]));
    wrong += load(guests[i], &result, -4) != LUCET_TRAPPED;
    OK(lucet_instance_keep(guests[i]));
    wrong += deep(guests[i], &result, 0) != LUCET_TRAPPED;
    CONTAINS(describe(guests[i]), "call stack exhausted");
    OK(lucet_instance_keep(guests[i]));
  }
  for (int32_t i = 0; i < COUNT; i++) {
    wrong += calls(guests[i], &result) != LUCET_RETURNED || result != 2;
    wrong += load(guests[i], &result, 1024) != LUCET_RETURNED || result != i + 7;
  }
  EQUAL(wrong, 0);
  for (int32_t i = 0; i < COUNT; i += 3) NEED(lucet_instance_reset(guests[i]));
  for (int32_t i = 0; i < COUNT; i++) {
    wrong += add(guests[i], &result, 1) != LUCET_RETURNED || result != (i % 3 ? i + 8 : 1);
    wrong += load(guests[i], &result, 16) != LUCET_RETURNED || memcmp(&result, "smal", 4) != 0;
  }
  EQUAL(wrong, 0);
  for (int32_t i = 0; i < COUNT; i++) NEED(lucet_instance_release(guests[i]));
  NEED(lucet_instance_new(region, module, NULL, NULL, &one_more));
  CHECK(add(one_more, &result, 5) == LUCET_RETURNED && result == 5);
  OK(lucet_instance_release(one_more));
  lucet_region_release(region);
  free(guests);
}

int main(void) {
  NEED(lucet_signals_install(0));
  module = fixture_module("compact_bounds", NULL);
  refusals();
  many();
  lucet_module_release(module);
  return finish();
}
