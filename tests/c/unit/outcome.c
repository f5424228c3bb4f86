/* outcome.c: how an entry ended, told in numbers, frames and one line; going on after a trap; the guest's
 * start function. */
#include "fixture.h"

static lucet_region *region;

/* Like snprintf: the length there would be, cut where there is no room, always terminated. */
static void cut(const lucet_instance *guest) {
  size_t length;
  char small[12];
  length = strlen(describe(guest));
  memset(small, 'x', sizeof small);
  EQUAL(lucet_instance_describe(guest, small, sizeof small), length);
  CHECK(strlen(small) == sizeof small - 1 && !strncmp(small, describe(guest), sizeof small - 1));
  EQUAL(lucet_instance_describe(guest, NULL, 0), length);
  small[0] = 'x';
  EQUAL(lucet_instance_describe(guest, small, 1), length);
  EQUAL(small[0], 0);
}

/* What a guest that trapped can do, and what makes it go on. */
static void states(lucet_instance *guest) {
  lucet_outcome outcome;
  const lucet_frame *frames = NULL;
  size_t count = 0;
  STATUS(LUCET_NEEDS_RESET, lucet_instance_run(guest, "nothing", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  OK(lucet_instance_outcome(guest, &outcome)); /* still that of the entry that happened */
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  OK(lucet_instance_keep(guest));
  STATUS(LUCET_BAD_STATE, lucet_instance_keep(guest));
  EQUAL(RUN2(guest, "add", 2, 2), 4);
  OK(lucet_instance_run(guest, "trap_below", NULL, 0, &outcome));
  OK(lucet_instance_reset(guest));
  EQUAL(RUN2(guest, "add", 2, 3), 5);
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_outcome(guest, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_backtrace(guest, NULL, &count));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_backtrace(guest, &frames, NULL));
}

static void lines(void) {
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  const lucet_frame *frames = NULL;
  size_t count = 99;
  CONTAINS(describe(guest), "not run");
  OK(lucet_instance_outcome(guest, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  EQUAL(RUN2(guest, "add", 1, 1), 2);
  CONTAINS(describe(guest), "returned 1");
  OK(lucet_instance_backtrace(guest, &frames, &count));
  EQUAL(count, 0);

  OK(lucet_instance_run(guest, "trap_below", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  CHECK(outcome.values == NULL && outcome.value_count == 0);
  CONTAINS(describe(guest), "trapped: unreachable");
  CONTAINS(describe(guest), "\"trap_unreachable\"");
  CONTAINS(describe(guest), "called by \"outer\"");
  CONTAINS(describe(guest), "wasm offset 0x");
  OK(lucet_instance_backtrace(guest, &frames, &count));
  EQUAL(count, 2);
  if (count == 2) {
    CHECK(frames[0].name_length == 16 && !memcmp(frames[0].name, "trap_unreachable", 16));
    CHECK(frames[1].name_length == 5 && !memcmp(frames[1].name, "outer", 5));
    EQUAL(frames[1].function, frames[0].function + 1);
    CHECK(frames[0].wasm_offset != UINT64_MAX && frames[0].wasm_offset < frames[1].wasm_offset);
  }
  cut(guest);
  states(guest);
  OK(lucet_instance_release(guest));
  STATUS(LUCET_STALE, lucet_instance_keep(guest));
  STATUS(LUCET_STALE, lucet_instance_backtrace(guest, &frames, &count));
  lucet_module_release(module);
}

static void hostile_name(void) {
  lucet_module *module = fixture_module("hostile_name", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  OK(lucet_instance_run(guest, "go", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  CONTAINS(describe(guest), "u{a}error: all is \\\"well\\\"");
  for (const char *c = describe(guest); *c; c++)
    CHECK(*c >= ' ' && *c <= '~');
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
}

static int32_t last_started;
static uint64_t end_start;
static void started(lucet_call *call, int32_t runs) {
  last_started = runs;
  if (end_start == 1) OK(lucet_call_terminate(call, 4711));
  if (end_start == 2) OK(lucet_call_trap(call, LUCET_TRAP_HOST));
}

/* A start function runs at the head of the first entry, once, and again after a reset. */
static void start_function(void) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_instance *guest;
  lucet_outcome outcome;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("started", started, void, int32_t)));
  module = fixture_module("start", linker);
  lucet_linker_release(linker);
  guest = fixture_instance(region, module, NULL);
  EQUAL(last_started, 0);
  EQUAL(RUN0(guest, "runs_so_far"), 1);
  EQUAL(RUN0(guest, "runs_so_far"), 1);
  EQUAL(last_started, 1);
  OK(lucet_instance_reset(guest));
  last_started = 0;
  OK(lucet_instance_start(guest, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.value_count, 0);
  EQUAL(last_started, 1);
  OK(lucet_instance_start(guest, &outcome));
  EQUAL(RUN0(guest, "runs_so_far"), 1);
  OK(lucet_instance_reset(guest));
  end_start = 1;
  OK(lucet_instance_run(guest, "runs_so_far", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_HOST);
  EQUAL(outcome.token, 4711);
  CONTAINS(describe(guest), "reason 4711");
  CONTAINS(describe(guest), "\"begin\"");
  STATUS(LUCET_NEEDS_RESET, lucet_instance_start(guest, &outcome));
  OK(lucet_instance_reset(guest));
  end_start = 2;
  OK(lucet_instance_start(guest, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  end_start = 0;
  STATUS(LUCET_NEEDS_RESET, lucet_instance_start(guest, NULL));
  OK(lucet_instance_release(guest));
  lucet_module_release(module);

  module = fixture_module("late_segment", NULL);
  guest = fixture_instance(region, module, NULL);
  OK(lucet_instance_run(guest, "never", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  STATUS(LUCET_NEEDS_RESET, lucet_instance_run(guest, "never", NULL, 0, &outcome));
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
}

int main(void) {
  region = fixture_region(1);
  lines();
  hostile_name();
  start_function();
  lucet_region_release(region);
  return finish();
}
