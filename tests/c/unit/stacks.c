/* stacks.c: what is left of guests' stacks. After a guest that was stopped, or went deep, a stack is zero, whatever the slot keeps for
 * the next one: that is told from the memory, the page faults and the statistics. */
#include "fixture.h"
#include <stdint.h>
#include <sys/resource.h>

enum { PAGE = 4096, STACK = 128 << 10 };

static lucet_module *module;
/* Where the leaf function was last called. */
static uintptr_t place;

static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  place = (uintptr_t)__builtin_frame_address(0);
  return value;
}

static lucet_region *region_with(uint64_t keep, uint64_t budget, uint32_t flags) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region *region = NULL;
  config.instances = 1;
  config.stack_bytes = STACK;
  config.keep_resident_bytes = keep;
  config.budget_bytes = budget;
  config.flags = flags;
  NEED(lucet_region_new(&config, &region));
  return region;
}

static lucet_region_stats stats_of(lucet_region *region) {
  lucet_region_stats stats = lucet_region_stats_default();
  OK(lucet_region_get_stats(region, &stats));
  return stats;
}

/* Where stacks of this instance begin, and how much a thousand calls take, of which some are inlined. */
static uintptr_t top, taken;

static void find_top(lucet_instance *guest) {
  EQUAL(RUN1(guest, "return", 1000), 1000);
  taken = place;
  EQUAL(RUN1(guest, "return", 0), 0);
  top = place;
  taken = top - taken;
  CHECK(taken >= 1000 && taken <= 100000);
}

static int32_t calls(uintptr_t bytes) { return (int32_t)(bytes * 1000 / taken); }

/* Words that are not zero, but for the page of the first frame, which is like memory that a guest has returned from, and at the other end
 * where the stack's size is rounded. */
__attribute__((no_sanitize("address"))) static unsigned left_over(void) {
  const uintptr_t high = top / PAGE * PAGE;
  unsigned found = 0;
  for (uintptr_t at = high - STACK + 2 * PAGE; at < high; at += sizeof(uint64_t))
    found += *(const volatile uint64_t *)at != 0;
  return found;
}

enum how { RETURNS, TRAPS, RETURNS_FROM_DEEP, TRAPS_DEEP, OVERFLOWS, HOWS };

static void use(lucet_instance *guest, enum how how, unsigned random) {
  const int32_t deep = calls((40u << 10) + random % (60u << 10));
  lucet_outcome outcome;
  switch (how) {
  case RETURNS:
    EQUAL(RUN1(guest, "return", 10), 10);
    break;
  case RETURNS_FROM_DEEP:
    EQUAL(RUN1(guest, "return", deep), deep);
    CHECK(left_over() > 100);
    break;
  case TRAPS:
  case TRAPS_DEEP:
    OK(run_i32(guest, "trap", 1, how == TRAPS ? 10 : deep, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
    break;
  default:
    OK(run_i32(guest, "overflow", 1, 0, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
    break;
  }
  OK(lucet_instance_reset(guest));
  if (how != RETURNS) EQUAL(left_over(), 0);
}

/* Guests that come and go in any order, some many times in a row. */
static void nothing_is_left(uint64_t keep, uint64_t budget, uint32_t flags) {
  lucet_region *region = region_with(keep, budget, flags);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  unsigned random = 7;
  find_top(guest);
  OK(lucet_instance_reset(guest));
  for (int row = 0; row < 60; row++) {
    enum how how;
    unsigned times;
    random = random * 1103515245u + 12345u;
    how = (enum how)((random >> 16) % HOWS);
    times = random >> 8 & 1 ? 1 : (random >> 20) % 24;
    for (unsigned i = 0; i < times; i++) {
      random = random * 1103515245u + 12345u;
      use(guest, how, random >> 8);
      if (budget) CHECK(stats_of(region).kept_bytes <= budget);
    }
  }
  OK(lucet_instance_release(guest));
  lucet_region_release(region);
}

static void use_often(lucet_instance *guest, enum how how, int times) {
  for (int i = 0; i < times; i++)
    use(guest, how, 1u << 20);
}

static long faults_of(lucet_instance *guest, enum how how, int times) {
  struct rusage before, after;
  getrusage(RUSAGE_THREAD, &before);
  use_often(guest, how, times);
  getrusage(RUSAGE_THREAD, &after);
  return after.ru_minflt - before.ru_minflt;
}

/* Where guests go deep again and again, their stack stays in memory, until they do no more. */
static void deep_stacks_are_kept(void) {
  lucet_region *region = region_with(1 << 20, 0, 0);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  find_top(guest);
  use_often(guest, RETURNS, 4);
  CHECK(stats_of(region).kept_bytes < 64 << 10);
  use(guest, OVERFLOWS, 0); /* once is not again and again: its pages are given back */
  CHECK(stats_of(region).resident_bytes < 64 << 10);
  use_often(guest, OVERFLOWS, 2);
  CHECK(stats_of(region).kept_bytes >= STACK);
  CHECK(stats_of(region).resident_bytes >= STACK - 2 * PAGE);
  CHECK(faults_of(guest, OVERFLOWS, 20) < 20);
  CHECK(faults_of(guest, RETURNS_FROM_DEEP, 20) < 20);
  CHECK(faults_of(guest, TRAPS, 10) < 10);
  CHECK(stats_of(region).kept_bytes >= STACK);
  use_often(guest, RETURNS, 20);
  CHECK(stats_of(region).kept_bytes < 64 << 10);
  CHECK(stats_of(region).resident_bytes < 64 << 10);
  OK(lucet_instance_release(guest));
  lucet_region_release(region);
}

/* Not where slots are to keep little. */
static void little_is_kept(uint64_t keep, uint64_t budget) {
  lucet_region *region = region_with(keep, budget, 0);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  find_top(guest);
  use_often(guest, OVERFLOWS, 6);
  CHECK(stats_of(region).kept_bytes <= 64 << 10);
  CHECK(stats_of(region).resident_bytes <= 64 << 10);
  OK(lucet_instance_release(guest));
  lucet_region_release(region);
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_signals_install(0));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  module = fixture_module("stacks", linker);
  lucet_linker_release(linker);
  nothing_is_left(1 << 20, 0, 0);
  nothing_is_left(1 << 20, 0, LUCET_REGION_VERIFY);
  nothing_is_left(300 << 10, 0, 0); /* a part of the stack is kept */
  nothing_is_left(1 << 20, 80 << 10, 0);
  nothing_is_left(1 << 20, 1 << 20, LUCET_REGION_VERIFY);
  deep_stacks_are_kept();
  little_is_kept(64 << 10, 0);
  little_is_kept(1 << 20, 100 << 10);
  little_is_kept(1 << 20, 130 << 10); /* room for the stack, but not for the stack and all else */
  lucet_module_release(module);
  return finish();
}
