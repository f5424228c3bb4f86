/* call.c: what a host function gets and may do: arguments in registers and on the stack, results, data,
 * ending its guest. */
#include "fixture.h"
#include <signal.h>

enum act {
  RETURN,
  TERMINATE,
  TRAP,
  SUSPEND,
  REENTER,
  BAD_TRAP,
  MEMORY,
  KEEP_CALL,
  TERMINATE_AND_TRAP,
  DETACH
};
struct request {
  int32_t seen;
  lucet_call *kept;
  lucet_module *module;
};

static int shared_data;
static lucet_region *region;

static int32_t add(lucet_call *call, int32_t left, int32_t right) {
  CHECK(lucet_call_data(call) == &shared_data);
  return left + right;
}

static void reenter(lucet_instance *guest) {
  lucet_outcome outcome;
  lucet_limits limits = lucet_limits_default();
  const lucet_frame *frames = NULL;
  size_t count = 0;
  FAILS(LUCET_RUNNING, "running", lucet_instance_run(guest, "base", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  STATUS(LUCET_RUNNING, lucet_instance_start(guest, &outcome));
  STATUS(LUCET_RUNNING, lucet_instance_reset(guest));
  STATUS(LUCET_RUNNING, lucet_instance_release(guest));
  STATUS(LUCET_RUNNING, lucet_instance_set_limits(guest, &limits));
  STATUS(LUCET_RUNNING, lucet_instance_resume(guest, NULL, 0, &outcome));
  STATUS(LUCET_RUNNING, lucet_instance_backtrace(guest, &frames, &count));
  STATUS(LUCET_BAD_STATE, lucet_instance_keep(guest));
}

static void use_memory(lucet_instance *guest) {
  lucet_memory memory = lucet_instance_memory(guest, 0);
  uint64_t old = 0;
  lucet_value value;
  CHECK(lucet_at(memory, 32, 5) && !memcmp(lucet_at(memory, 32, 5), "guest", 5));
  OK(lucet_instance_write(guest, 0, 32, "hosts", 5));
  OK(lucet_instance_memory_grow(guest, 0, 1, &old));
  EQUAL(old, 1);
  OK(lucet_instance_global_get(guest, "state", &value));
  EQUAL(value.of.i32, 1);
}

/* The guest needs the alternate stack for what it does when the host function has returned. */
static void detach(void) {
  stack_t before, after;
  EQUAL(sigaltstack(NULL, &before), 0);
  lucet_thread_detach();
  EQUAL(sigaltstack(NULL, &after), 0);
  CHECK(before.ss_sp == after.ss_sp && before.ss_flags == after.ss_flags);
}

static int32_t act(lucet_call *call, int32_t number) {
  lucet_instance *guest = lucet_call_instance(call);
  struct request *request = lucet_call_instance_data(call);
  CHECK(guest != NULL && lucet_instance_data(guest) == request);
  request->seen = number;
  switch (number) {
  case TERMINATE:
    OK(lucet_call_terminate(call, UINT64_C(0x123456789abcdef0)));
    break;
  case TRAP:
    OK(lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT));
    break;
  case SUSPEND:
    OK(lucet_call_suspend(call, 1));
    STATUS(LUCET_BAD_STATE, lucet_call_run(call, "base", NULL, 0, NULL));
    break;
  case REENTER:
    reenter(guest);
    break;
  case BAD_TRAP:
    STATUS(LUCET_BAD_ARGUMENT, lucet_call_trap(call, 0));
    STATUS(LUCET_BAD_ARGUMENT, lucet_call_trap(call, 99));
    break;
  case MEMORY:
    use_memory(guest);
    break;
  case KEEP_CALL:
    request->kept = call;
    break;
  case TERMINATE_AND_TRAP: /* the last word counts, and a guest that ends is not called */
    OK(lucet_call_terminate(call, 1));
    STATUS(LUCET_BAD_STATE, lucet_call_run(call, "base", NULL, 0, &(lucet_outcome){0}));
    OK(lucet_call_trap(call, LUCET_TRAP_HOST));
    break;
  case DETACH:
    detach();
    break;
  default:
    break;
  }
  return number * 10;
}

static int32_t leaf(lucet_call *call, int32_t value) {
  lucet_instance *guest = lucet_call_instance(call);
  uint8_t byte = 0;
  if (value == 1) {
    STATUS(LUCET_BAD_STATE, lucet_call_terminate(call, 1));
    STATUS(LUCET_BAD_STATE, lucet_call_trap(call, LUCET_TRAP_HOST));
    STATUS(LUCET_BAD_STATE, lucet_call_run(call, "base", NULL, 0, &(lucet_outcome){0}));
  }
  if (value == 2) detach();
  OK(lucet_instance_read(guest, 0, 32, &byte, 1));
  CHECK(lucet_call_instance_data(call) != NULL);
  return value + byte;
}

static double mix(lucet_call *call, int32_t a, int64_t b, float c, double d, int32_t e, int64_t f, float g,
                  double h, int32_t i, int64_t j, float k, double l) {
  CHECK(lucet_call_instance(call) != NULL);
  EQUAL(a, -1);
  EQUAL(b, 2);
  EQUAL((int)c, 3);
  EQUAL((int)d, 4);
  EQUAL(e, 5);
  EQUAL(f, -6);
  EQUAL((int)g, 7);
  EQUAL((int)h, 8);
  EQUAL(i, 9);
  EQUAL(j, 10);
  EQUAL((int)k, -11);
  EQUAL((int)l, 12);
  return 0.125;
}

static int64_t integers(lucet_call *call, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f,
                        int32_t g, int32_t h, int32_t i, int32_t j, int32_t k, int32_t l) {
  char frame[64];
  snprintf(frame, sizeof frame, "%d%d%d%d%d%d%d%d%d%d%d%d", a, b, c, d, e, f, g, h, i, j, k, l);
  CHECK(!strcmp(frame, "1234567891011-12"));
  CHECK(lucet_call_instance(call) != NULL);
  return INT64_C(-5000000000);
}

static lucet_externref pass(lucet_call *call, lucet_externref object) {
  (void)call;
  if (object.host) ++*(int *)object.host;
  return object;
}

static float single(lucet_call *call, float value) {
  (void)call;
  return value / 4;
}

static void pair(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results) {
  CHECK(data == &shared_data && lucet_call_data(call) == data);
  results[0].of.i64 = arguments[1].of.i64 * 2;
  results[1].of.i32 = arguments[0].of.i32 * 3;
}

static void single_dynamic(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results) {
  (void)call;
  (void)data;
  EQUAL(arguments[0].type, LUCET_F32);
  results[0].of.f32 = arguments[0].of.f32 / 8;
}

#define I int32_t
static const lucet_host_function rows[] = {
    LUCET_HOST("add", add, I, I, I),
    LUCET_HOST("act", act, I, I),
    LUCET_HOST_LEAF("leaf", leaf, I, I),
    LUCET_HOST("mix", mix, double, I, int64_t, float, double, I, int64_t, float, double, I, int64_t, float,
               double),
    LUCET_HOST("integers", integers, int64_t, I, I, I, I, I, I, I, I, I, I, I, I),
    LUCET_HOST("pass", pass, lucet_externref, lucet_externref)};
static const lucet_host_function leaves[] = {
    LUCET_HOST_LEAF("add", add, I, I, I),
    LUCET_HOST("act", act, I, I),
    LUCET_HOST_LEAF("leaf", leaf, I, I),
    LUCET_HOST_LEAF("mix", mix, double, I, int64_t, float, double, I, int64_t, float, double, I, int64_t,
                    float, double),
    LUCET_HOST_LEAF("integers", integers, int64_t, I, I, I, I, I, I, I, I, I, I, I, I),
    LUCET_HOST_LEAF("pass", pass, lucet_externref, lucet_externref)};

static lucet_module *linked(const char *name, const lucet_host_function *table, int dynamic) {
  static const lucet_type i32_i64[] = {LUCET_I32, LUCET_I64}, i64_i32[] = {LUCET_I64, LUCET_I32},
                          f32[] = {LUCET_F32};
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_value base = lucet_value_i32(-77);
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "env", table, 6, &shared_data));
  NEED(lucet_linker_define_dynamic(linker, "env", "pair", i32_i64, 2, i64_i32, 2, pair, &shared_data, NULL));
  if (dynamic)
    NEED(lucet_linker_define_dynamic(linker, "env", "single", f32, 1, f32, 1, single_dynamic, NULL, NULL));
  else
    NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("single", single, float, float)));
  NEED(lucet_linker_define_global(linker, "env", "base", &base));
  module = fixture_module(name, linker);
  lucet_linker_release(linker);
  return module;
}

static void crossings(lucet_module *module, float divisor) {
  struct request request = {0, NULL, module};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_value arguments[2];
  lucet_outcome outcome;
  lucet_externref object;
  int counted = 0;
  EQUAL(RUN2(guest, "add", INT32_MAX, -1), INT32_MAX - 1);
  EQUAL(RUN0(guest, "base"), -77);
  EQUAL(RUN1(guest, "leaf", 5), 5 + 'g');
  EQUAL(RUN1(guest, "leaf", 1), 1 + 'g');
  OK(lucet_instance_run(guest, "mix", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(outcome.values[0].of.f64 > 0.12 && outcome.values[0].of.f64 < 0.13);
  OK(lucet_instance_run(guest, "integers", NULL, 0, &outcome));
  EQUAL(outcome.values[0].of.i64, INT64_C(-5000000000));
  object.host = &counted;
  arguments[0] = lucet_value_externref(object);
  OK(lucet_instance_run(guest, "pass", arguments, 1, &outcome));
  CHECK(outcome.values[0].of.externref.host == &counted);
  EQUAL(counted, 1);
  arguments[0] = lucet_value_i32(4);
  arguments[1] = lucet_value_i64(-8);
  OK(lucet_instance_run(guest, "pair", arguments, 2, &outcome));
  EQUAL(outcome.value_count, 2);
  EQUAL(outcome.values[0].of.i32, 12);
  EQUAL(outcome.values[1].of.i64, -16);
  arguments[0] = lucet_value_f32(2);
  OK(lucet_instance_run(guest, "single", arguments, 1, &outcome));
  CHECK(outcome.values[0].of.f32 * divisor > 1.99f && outcome.values[0].of.f32 * divisor < 2.01f);
  OK(lucet_instance_release(guest));
}

static void acts(lucet_module *module) {
  struct request request = {0, NULL, module};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_outcome outcome;
  lucet_value state;
  EQUAL(RUN1(guest, "act", RETURN), 0);
  OK(run_i32(guest, "act", 1, SUSPEND, 0, &outcome));
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  EQUAL(outcome.token, 1);
  lucet_value result = lucet_value_i32(SUSPEND * 10);
  OK(lucet_instance_resume(guest, &result, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, SUSPEND * 10);
  EQUAL(RUN1(guest, "act", REENTER), REENTER * 10);
  EQUAL(RUN1(guest, "act", BAD_TRAP), BAD_TRAP * 10);
  EQUAL(RUN1(guest, "act", DETACH), DETACH * 10);
  EQUAL(RUN1(guest, "act", MEMORY), MEMORY * 10);
  EQUAL(RUN1(guest, "act", KEEP_CALL), KEEP_CALL * 10);
  /* A lucet_call is dead when its host function has returned. */
  CHECK(lucet_call_instance(request.kept) == NULL && lucet_call_data(request.kept) == NULL);
  CHECK(lucet_call_instance_data(request.kept) == NULL);
  FAILS(LUCET_BAD_STATE, "outside", lucet_call_terminate(request.kept, 1));
  STATUS(LUCET_BAD_STATE, lucet_call_run(request.kept, "base", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  EQUAL(RUN0(guest, "base"), -77);

  OK(run_i32(guest, "act", 1, TERMINATE, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_HOST);
  CHECK(outcome.token == UINT64_C(0x123456789abcdef0));
  CONTAINS(describe(guest), "terminated by the host");
  OK(lucet_instance_global_get(guest, "state", &state));
  EQUAL(state.of.i32, 1); /* the guest did not go on behind the call */
  STATUS(LUCET_NEEDS_RESET, run_i32(guest, "act", 1, RETURN, 0, &outcome));
  OK(lucet_instance_keep(guest));
  EQUAL(RUN1(guest, "act", RETURN), 0);
  OK(run_i32(guest, "act", 1, TRAP, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST_ARGUMENT);
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "act", 1, TERMINATE_AND_TRAP, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "leaf_deep", 1, 2, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
  OK(lucet_instance_release(guest));
}

static void many(lucet_module *module) {
  struct request request = {0, NULL, module};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_instance_stats stats = lucet_instance_stats_default();
  EQUAL(RUN1(guest, "many", 100), 100 * 'g' + 2 * 5050);
  OK(lucet_instance_get_stats(guest, &stats));
  EQUAL(stats.host_calls, 200);
  OK(lucet_instance_release(guest));
}

int main(void) {
  static const char *const guests[] = {"imports", "imports_in_loops"};
  region = fixture_region(1);
  for (int loops = 0; loops < 2; loops++) {
    lucet_module *module = linked(guests[loops], rows, 0);
    crossings(module, 4);
    acts(module);
    if (loops) many(module);
    lucet_module_release(module);
    module = linked(guests[loops], leaves, 1);
    crossings(module, 8);
    if (loops) many(module);
    lucet_module_release(module);
  }
  lucet_region_release(region);
  return finish();
}
