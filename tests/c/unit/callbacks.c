/* callbacks.c: host functions that call back into the guest that calls them: results, traps in between, how
 * deep, and on a thread with a small stack. */
#include "fixture.h"
#include <pthread.h>

enum act { BY_NAME, BY_FUNC, BY_REFERENCE, TRAPPING, TRAPPING_KEPT, MISTAKES, AGAIN };
struct request {
  lucet_module *module;
  int levels, refused;
};

static int32_t nested(lucet_call *call, lucet_status status, const lucet_outcome *outcome) {
  (void)call;
  STATUS(LUCET_OK, status);
  OUTCOME(*outcome, LUCET_RETURNED, 0);
  return outcome->kind == LUCET_RETURNED && outcome->value_count == 1 ? outcome->values[0].of.i32 : -1;
}

static void mistakes(lucet_call *call, lucet_module *module) {
  lucet_outcome outcome;
  lucet_value wrong = lucet_value_f32(1);
  lucet_funcref null_function = {0};
  (void)module;
  memset(&outcome, 0xff, sizeof outcome);
  STATUS(LUCET_NOT_FOUND, lucet_call_run(call, "nobody", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  STATUS(LUCET_TYPE_MISMATCH, lucet_call_run(call, "inner", &wrong, 1, &outcome));
  STATUS(LUCET_TYPE_MISMATCH, lucet_call_run(call, "inner", NULL, 0, &outcome));
  memset(&outcome, 0xff, sizeof outcome);
  STATUS(LUCET_NULL_ARGUMENT, lucet_call_run(call, NULL, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0); /* written whatever the status is */
  memset(&outcome, 0xff, sizeof outcome);
  STATUS(LUCET_NULL_ARGUMENT, lucet_call_func(call, NULL, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_NOT_RUN, 0);
  STATUS(LUCET_BAD_ARGUMENT, lucet_call_funcref(call, null_function, NULL, 0, &outcome));
}

static int32_t act(lucet_call *call, int32_t number) {
  struct request *request = lucet_call_instance_data(call);
  lucet_instance *guest = lucet_call_instance(call);
  lucet_value argument = lucet_value_i32(14), element;
  lucet_outcome outcome;
  const lucet_func *inner = NULL;
  lucet_status status;
  switch (number) {
  case BY_NAME:
    return nested(call, lucet_call_run(call, "inner", &argument, 1, &outcome), &outcome);
  case BY_FUNC:
    OK(lucet_module_func(request->module, "inner", &inner));
    return nested(call, lucet_call_func(call, inner, &argument, 1, &outcome), &outcome);
  case BY_REFERENCE:
    OK(lucet_instance_table_get(guest, "table", 0, &element));
    return nested(call, lucet_call_funcref(call, element.of.funcref, &argument, 1, &outcome), &outcome);
  case TRAPPING:
    OK(lucet_call_run(call, "inner_trap", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
    return 0;
  case TRAPPING_KEPT:
    OK(lucet_call_run(call, "inner_trap", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
    CONTAINS(describe(guest), "\"inner_trap\"");
    OK(lucet_instance_keep(guest));
    return nested(call, lucet_call_run(call, "inner", &argument, 1, &outcome), &outcome);
  case MISTAKES:
    mistakes(call, request->module);
    return 7;
  default:
    argument = lucet_value_i32(AGAIN);
    request->levels++;
    status = lucet_call_run(call, "again", &argument, 1, &outcome);
    if (status == LUCET_DEPTH) {
      request->refused++;
      OUTCOME(outcome, LUCET_NOT_RUN, 0);
    } else {
      OK(status);
      OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_DEPTH);
    }
    return 0;
  }
}

static lucet_module *linked(void) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_value base = lucet_value_i32(0);
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("act", act, int32_t, int32_t)));
  NEED(lucet_linker_define_global(linker, "env", "base", &base));
  NEED(lucet_linker_trap_missing(linker));
  module = fixture_module("imports", linker);
  lucet_linker_release(linker);
  return module;
}

static void results(lucet_region *region, lucet_module *module) {
  struct request request = {module, 0, 0};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_outcome outcome;
  lucet_value state;
  EQUAL(RUN1(guest, "act", BY_NAME), 42);
  EQUAL(RUN1(guest, "act", BY_FUNC), 42);
  EQUAL(RUN1(guest, "act", BY_REFERENCE), 42);
  EQUAL(RUN1(guest, "act", MISTAKES), 7);
  OK(lucet_instance_global_get(guest, "state", &state));
  EQUAL(state.of.i32, 2);
  /* A trap below ends what is above, unless the host function keeps it. */
  OK(run_i32(guest, "act", 1, TRAPPING, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  OK(lucet_instance_global_get(guest, "state", &state));
  EQUAL(state.of.i32, 1);
  OK(lucet_instance_reset(guest));
  EQUAL(RUN1(guest, "act", TRAPPING_KEPT), 42);
  OK(lucet_instance_global_get(guest, "state", &state));
  EQUAL(state.of.i32, 2);
  EQUAL(RUN1(guest, "act", BY_NAME), 42);
  OK(lucet_instance_release(guest));
}

LUCET_ENTRY(act_entry, int32_t, int32_t);

/* A run's outcome is its own, whatever its callbacks came to: by name, by handle, by a typed entry. */
static void own_outcome(lucet_region *region, lucet_module *module, uint64_t deadline_ns) {
  static const int32_t acts[] = {BY_NAME, TRAPPING_KEPT};
  struct request request = {module, 0, 0};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_limits limits = lucet_limits_default();
  const lucet_func *func = NULL;
  lucet_outcome outcome;
  int32_t result;
  limits.deadline_ns = deadline_ns;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_module_func(module, "act", &func));
  NEED(!LUCET_FIND(act_entry, module, "act", int32_t, int32_t));
  EQUAL(RUN1(guest, "act", BY_NAME), 42);
  for (int way = 0; way < 6; way++) {
    lucet_value argument = lucet_value_i32(acts[way % 2]);
    result = 0;
    if (way < 2) {
      OK(lucet_instance_run(guest, "act", &argument, 1, &outcome));
    } else if (way < 4) {
      OK(lucet_instance_call(guest, func, &argument, 1, &outcome));
    } else {
      EQUAL(act_entry(guest, &result, acts[way % 2]), LUCET_RETURNED);
      EQUAL(result, 42);
      OK(lucet_instance_outcome(guest, &outcome));
    }
    for (int again = 0; again < 2; again++) {
      OUTCOME(outcome, LUCET_RETURNED, 0);
      EQUAL(outcome.value_count, way < 4 ? 1 : 0); /* a typed entry's result is where its caller wanted it */
      if (outcome.value_count == 1) EQUAL(outcome.values[0].of.i32, 42);
      OK(lucet_instance_outcome(guest, &outcome));
    }
    STATUS(LUCET_BAD_STATE, lucet_instance_keep(guest));
  }
  OK(lucet_instance_release(guest));
}

static void depth(lucet_region *region, lucet_module *module, int expected) {
  struct request request = {module, 0, 0};
  lucet_instance *guest = fixture_instance(region, module, &request);
  lucet_outcome outcome;
  OK(run_i32(guest, "again", 1, AGAIN, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_DEPTH);
  CONTAINS(describe(guest), "nested too deeply");
  EQUAL(request.refused, 1);
  if (expected) EQUAL(request.levels, expected);
  CHECK(request.levels > 1);
  OK(lucet_instance_reset(guest));
  EQUAL(RUN1(guest, "act", BY_NAME), 42);
  OK(lucet_instance_release(guest));
}

struct thread {
  lucet_region *region;
  lucet_module *module;
};
static void *small_thread(void *data) {
  struct thread *thread = data;
  depth(thread->region, thread->module, 0);
  return NULL;
}

/* As deep as the region lets guests go, on a stack that is not: the host's stack is what ends it. The main
 * thread waits, so the checks do not race. */
static void small_stack(lucet_module *module) {
  lucet_region_config config = lucet_region_config_default();
  struct thread thread = {NULL, module};
  pthread_attr_t attributes;
  pthread_t id;
  config.instances = 1;
  config.callback_depth = 1000000;
  config.stack_bytes = 16 << 20;
  NEED(lucet_region_new(&config, &thread.region));
  EQUAL(pthread_attr_init(&attributes), 0);
  EQUAL(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
  EQUAL(pthread_create(&id, &attributes, small_thread, &thread), 0);
  EQUAL(pthread_join(id, NULL), 0);
  EQUAL(pthread_attr_destroy(&attributes), 0);
  lucet_region_release(thread.region);
}

int main(void) {
  lucet_region *region = fixture_region(1);
  lucet_module *module = linked();
  results(region, module);
  own_outcome(region, module, 0);
  own_outcome(region, module, UINT64_MAX / 2);
  depth(region, module, 9); /* 8 callbacks, and the host function that is refused another one */
  small_stack(module);
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
