/* traps.c: every trap, with its number, name, place and line, and a guest that is fine after each. */
#include "fixture.h"
#include <math.h>

static lucet_region *region;
static lucet_module *module;
static lucet_instance *guest;

static void expect(const char *export, size_t count, lucet_value first, lucet_value second, lucet_value third,
                   uint32_t trap) {
  lucet_value arguments[3];
  lucet_outcome outcome;
  const lucet_frame *frames = NULL;
  size_t depth = 0;
  arguments[0] = first;
  arguments[1] = second;
  arguments[2] = third;
  OK(lucet_instance_run(guest, export, arguments, count, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, trap);
  CONTAINS(describe(guest), lucet_trap_name(trap));
  CONTAINS(describe(guest), "wasm offset 0x");
  OK(lucet_instance_backtrace(guest, &frames, &depth));
  CHECK(depth >= 1 && frames[0].wasm_offset != UINT64_MAX && frames[0].wasm_offset > 0);
  OK(lucet_instance_reset(guest));
  EQUAL(RUN2(guest, "add", 40, 2), 42);
}

static lucet_value i(int32_t value) { return lucet_value_i32(value); }
static lucet_value f(double value) { return lucet_value_f64(value); }

static void by_guests(void) {
  static const int32_t outside[] = {65533, 65536, 1 << 20, INT32_MAX, INT32_MIN, -4, -1};
  lucet_outcome outcome;
  guest = fixture_instance(region, module, NULL);
  expect("trap_unreachable", 0, i(0), i(0), i(0), LUCET_TRAP_UNREACHABLE);
  for (size_t at = 0; at < sizeof outside / sizeof outside[0]; at++) {
    expect("trap_memory", 1, i(outside[at]), i(0), i(0), LUCET_TRAP_MEMORY);
    expect("trap_memory_store", 1, i(outside[at]), i(0), i(0), LUCET_TRAP_MEMORY);
  }
  expect("trap_table", 1, i(2), i(0), i(0), LUCET_TRAP_TABLE);
  expect("trap_table", 1, i(-1), i(0), i(0), LUCET_TRAP_TABLE);
  expect("indirect", 3, i(4), i(1), i(1), LUCET_TRAP_TABLE);
  expect("indirect", 3, i(-1), i(1), i(1), LUCET_TRAP_TABLE);
  expect("indirect", 3, i(3), i(1), i(1), LUCET_TRAP_NULL_CALL);
  expect("indirect", 3, i(2), i(1), i(1), LUCET_TRAP_CALL_TYPE);
  expect("trap_divide", 2, i(1), i(0), i(0), LUCET_TRAP_DIVIDE_BY_ZERO);
  expect("trap_divide", 2, i(INT32_MIN), i(-1), i(0), LUCET_TRAP_INTEGER_OVERFLOW);
  expect("trap_convert", 1, f(1e10), i(0), i(0), LUCET_TRAP_INTEGER_OVERFLOW);
  expect("trap_convert", 1, f(NAN), i(0), i(0), LUCET_TRAP_CONVERSION);
  expect("trap_stack", 1, i(0), i(0), i(0), LUCET_TRAP_STACK);
  expect("copy_passive", 1, i(65530), i(0), i(0), LUCET_TRAP_MEMORY);
  expect("copy_later", 1, i(3), i(0), i(0), LUCET_TRAP_TABLE);
  /* The address is in the line, and the frames of an overflow are kept up to a number. */
  OK(run_i32(guest, "trap_memory", 1, 70000, 0, &outcome));
  CONTAINS(describe(guest), "at address 0x11170");
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "trap_stack", 1, 0, 0, &outcome));
  {
    const lucet_frame *frames = NULL;
    size_t depth = 0;
    OK(lucet_instance_backtrace(guest, &frames, &depth));
    CHECK(depth > 8 && depth <= 1024);
    for (size_t at = 0; at < depth; at++)
      EQUAL(frames[at].function, frames[0].function);
  }
  OK(lucet_instance_reset(guest));
  /* Recursion as deep as the stack allows is no trap. */
  EQUAL(RUN1(guest, "depth", 500), 500);
  OK(lucet_instance_release(guest));
}

static int32_t act(lucet_call *call, int32_t trap) {
  OK(lucet_call_trap(call, (uint32_t)trap));
  return 0;
}
static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  return value;
}

/* Every number that there is, by a host function; the place is the call in the guest. */
static void by_host(void) {
  lucet_linker *linker = NULL;
  lucet_region_stats stats = lucet_region_stats_default();
  lucet_value base = lucet_value_i32(0);
  lucet_module *imports;
  lucet_outcome outcome;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("act", act, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  NEED(lucet_linker_define_global(linker, "env", "base", &base));
  NEED(lucet_linker_trap_missing(linker));
  imports = fixture_module("imports", linker);
  guest = fixture_instance(region, imports, NULL);
  for (uint32_t trap = LUCET_TRAP_UNREACHABLE; trap <= LUCET_TRAP_UNSHARED_WAIT; trap++) {
    OK(run_i32(guest, "act", 1, (int32_t)trap, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, trap);
    CONTAINS(describe(guest), lucet_trap_name(trap));
    CONTAINS(describe(guest), "\"run_act\"");
    OK(lucet_instance_reset(guest));
  }
  OK(lucet_region_get_stats(region, &stats));
  EQUAL(stats.traps[LUCET_TRAP_EXCEPTION], 1);
  CHECK(stats.traps[LUCET_TRAP_MEMORY] > 10);
  /* A leaf at every depth of the guest's stack: it has room, or the guest has overflowed. */
  OK(run_i32(guest, "leaf_deep", 1, 0, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
  OK(lucet_instance_release(guest));
  lucet_module_release(imports);
  lucet_linker_release(linker);
}

int main(void) {
  region = fixture_region(1);
  module = fixture_module("everything", NULL);
  by_guests();
  by_host();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
