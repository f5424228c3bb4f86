/* states.c: every call in every state, as states.def says. */
#include "fixture.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum state { READY, STOPPED, SUSPENDED, PREEMPTED, HOST, LEAF, ELSEWHERE, RELEASED, CHILD, STATES };
enum moment { IN_HOST, IN_LEAF, NESTED, SUSPENDING, TERMINATING, RETURNED, MOMENTS };
enum { LUCET_NONE = -1 };
static const char *const state_names[STATES] = {"ready", "stopped",   "suspended", "preempted", "host",
                                                "leaf",  "elsewhere", "released",  "child"};
static const char *const moment_names[MOMENTS] = {"host",       "leaf",        "nested",
                                                  "suspending", "terminating", "returned"};

static lucet_region *region;
static lucet_module *module;
static lucet_instance *guest;
static const lucet_func *value_func;

/* -- the calls -- */
static lucet_status call_run(void) {
  lucet_outcome outcome;
  return lucet_instance_run(guest, "value", NULL, 0, &outcome);
}
static lucet_status call_start(void) {
  lucet_outcome outcome;
  return lucet_instance_start(guest, &outcome);
}
static lucet_status call_alloc(void) {
  lucet_outcome outcome;
  uint64_t address;
  return lucet_instance_alloc(guest, 8, 8, &address, &outcome);
}
static lucet_status call_call(void) {
  lucet_outcome outcome;
  return lucet_instance_call(guest, value_func, NULL, 0, &outcome);
}
static lucet_status call_resume(void) {
  lucet_value result = lucet_value_i32(1);
  lucet_outcome outcome;
  lucet_status status = lucet_instance_resume(guest, &result, 1, &outcome);
  /* A preempted guest wants no results. */
  return status == LUCET_TYPE_MISMATCH ? lucet_instance_resume(guest, NULL, 0, &outcome) : status;
}
static lucet_status call_reset(void) { return lucet_instance_reset(guest); }
static lucet_status call_release(void) { return lucet_instance_release(guest); }
static lucet_status call_set_limits(void) {
  lucet_limits limits = lucet_limits_default();
  return lucet_instance_set_limits(guest, &limits);
}
static lucet_status call_keep(void) { return lucet_instance_keep(guest); }
static lucet_status call_abandon(void) { return lucet_instance_abandon(guest); }
static lucet_status call_kill_handle(void) {
  lucet_kill_handle handle;
  return lucet_instance_kill_handle(guest, &handle);
}
static lucet_status call_get_stats(void) {
  lucet_instance_stats stats = lucet_instance_stats_default();
  return lucet_instance_get_stats(guest, &stats);
}
static lucet_status call_outcome(void) {
  lucet_outcome outcome;
  return lucet_instance_outcome(guest, &outcome);
}
static lucet_status call_exception(void) {
  lucet_exception exception;
  memset(&exception, 0, sizeof exception);
  exception.struct_size = sizeof exception;
  lucet_status status = lucet_instance_exception(guest, &exception);
  return status == LUCET_NOT_FOUND ? LUCET_OK : status; /* it has ended without one */
}
static lucet_status call_handles(void) {
  static const lucet_handle_kind kind = {"a number", NULL};
  static int number;
  uint32_t handle = 0;
  void *object = NULL;
  lucet_status status = lucet_instance_handle_new(guest, &kind, &number, &handle);
  /* All four answer the same. */
  if (status) {
    EQUAL(lucet_instance_handle_get(guest, &kind, 1, &object), status);
    EQUAL(lucet_instance_handle_take(guest, &kind, 1, &object), status);
    EQUAL(lucet_instance_handle_drop(guest, &kind, 1), status);
    return status;
  }
  OK(lucet_instance_handle_get(guest, &kind, handle, &object));
  OK(lucet_instance_handle_take(guest, &kind, handle, &object));
  CHECK(object == &number);
  OK(lucet_instance_handle_new(guest, &kind, &number, &handle));
  return lucet_instance_handle_drop(guest, &kind, handle);
}
static lucet_status call_backtrace(void) {
  const lucet_frame *frames;
  size_t count;
  return lucet_instance_backtrace(guest, &frames, &count);
}
static lucet_status call_read(void) {
  uint8_t byte;
  return lucet_instance_read(guest, 0, 0, &byte, 1);
}
static lucet_status call_write(void) {
  const uint8_t byte = 1;
  return lucet_instance_write(guest, 0, 0, &byte, 1);
}
static lucet_status call_memory_grow(void) {
  uint64_t before;
  return lucet_instance_memory_grow(guest, 0, 1, &before);
}
static lucet_status call_global_get(void) {
  lucet_value value;
  return lucet_instance_global_get(guest, "global", &value);
}
static lucet_status call_table_size(void) {
  uint64_t size;
  return lucet_instance_table_size(guest, "table", &size);
}

static const struct row {
  const char *name;
  lucet_status (*call)(void);
  int expected[STATES];
} rows[] = {
#define INSTANCE_CALL(test, name, ready, stopped, suspended, preempted, host, leaf, elsewhere, released,     \
                      child)                                                                                 \
  {#test,                                                                                                    \
   call_##test,                                                                                              \
   {LUCET_##ready, LUCET_##stopped, LUCET_##suspended, LUCET_##preempted, LUCET_##host, LUCET_##leaf,        \
    LUCET_##elsewhere, LUCET_##released, LUCET_##child}},
#include "states.def"
#undef INSTANCE_CALL
};

/* -- the states -- */
static lucet_status (*in_host)(void);
static lucet_status answer;
static int suspending;
static lucet_status (*in_call)(lucet_call *);
static enum moment moment;
static lucet_call *kept;

static int32_t host(lucet_call *call, int32_t depth) {
  lucet_value zero = lucet_value_i32(0);
  lucet_outcome outcome;
  kept = call;
  if (suspending) OK(lucet_call_suspend(call, 1));
  if (in_host) answer = in_host();
  if (in_call && moment == NESTED && depth == 1) {
    OK(lucet_call_run(call, "host", &zero, 1, &outcome));
    (void)lucet_instance_keep(guest); /* what it has asked for may have ended it */
    return 0;
  }
  if (in_call && moment == SUSPENDING) OK(lucet_call_suspend(call, 1));
  if (in_call && moment == TERMINATING) OK(lucet_call_terminate(call, 1));
  if (in_call && moment != RETURNED) answer = in_call(call);
  return 0;
}
static int32_t leaf(lucet_call *call, int32_t value) {
  if (in_host) answer = in_host();
  if (in_call) answer = in_call(call);
  return value;
}

static void limit_slice(uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.slice_ns = slice;
  OK(lucet_instance_set_limits(guest, &limits));
}

static atomic_int running;
static void *run_elsewhere(void *nothing) {
  lucet_outcome outcome;
  atomic_store(&running, 1);
  if (lucet_instance_run(guest, "spin", NULL, 0, &outcome)) return &running;
  return nothing;
}

static lucet_status on_another_thread(lucet_status (*call)(void)) {
  const struct timespec moment_ = {0, 1000000};
  lucet_kill_handle handle;
  lucet_status status;
  lucet_outcome outcome;
  pthread_t thread;
  void *failed;
  OK(lucet_instance_kill_handle(guest, &handle));
  atomic_store(&running, 0);
  EQUAL(pthread_create(&thread, NULL, run_elsewhere, NULL), 0);
  /* It runs when another entry is refused. */
  while (!atomic_load(&running))
    nanosleep(&moment_, NULL);
  nanosleep(&moment_, NULL);
  while (lucet_instance_resume(guest, NULL, 0, &outcome) != LUCET_RUNNING)
    nanosleep(&moment_, NULL);
  status = call();
  CHECK(lucet_kill(handle, 1) != LUCET_KILL_FINISHED);
  pthread_join(thread, &failed);
  CHECK(failed == NULL);
  return status;
}

static lucet_status in_child(lucet_status (*call)(void)) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) _exit((int)call());
  EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* Brings a fresh instance into a state, makes the call, and leaves nothing of it. */
static lucet_status made_in(enum state state, lucet_status (*call)(void)) {
  lucet_outcome outcome;
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN0(guest, "value"), 42);
  answer = LUCET_NONE;
  switch (state) {
  case STOPPED:
    OK(lucet_instance_run(guest, "trap", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
    break;
  case SUSPENDED:
    suspending = 1;
    OK(run_i32(guest, "host", 1, 0, 0, &outcome));
    suspending = 0;
    OUTCOME(outcome, LUCET_SUSPENDED, 0);
    break;
  case PREEMPTED:
    limit_slice(500000);
    OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_PREEMPTED, 0);
    break;
  case HOST:
  case LEAF:
    in_host = call;
    OK(run_i32(guest, state == HOST ? "host" : "leaf", 1, 0, 0, &outcome));
    in_host = NULL;
    break;
  case ELSEWHERE:
    answer = on_another_thread(call);
    break;
  case RELEASED:
    OK(lucet_instance_release(guest));
    break;
  case CHILD:
    answer = in_child(call);
    break;
  default:
    break;
  }
  if (answer == LUCET_NONE) answer = call();
  (void)lucet_instance_release(guest);
  return answer;
}

static void instance_calls(void) {
  for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
    for (int state = 0; state < STATES; state++) {
      lucet_status status;
      if (rows[row].expected[state] == LUCET_NONE) continue;
      status = made_in((enum state)state, rows[row].call);
      if (!harness_result(status == rows[row].expected[state], __FILE__, __LINE__))
        printf("%s, %s: %s, states.def says %s\n", rows[row].name, state_names[state],
               lucet_status_name(status), lucet_status_name(rows[row].expected[state]));
    }
}

/* -- calls by lucet_call -- */
static lucet_status with_instance(lucet_call *call) {
  return lucet_call_instance(call) == guest ? LUCET_OK : LUCET_BAD_STATE;
}
static lucet_status with_run(lucet_call *call) {
  lucet_outcome outcome;
  return lucet_call_run(call, "value", NULL, 0, &outcome);
}
static lucet_status with_suspend(lucet_call *call) { return lucet_call_suspend(call, 2); }
static lucet_status with_terminate(lucet_call *call) { return lucet_call_terminate(call, 2); }
static lucet_status with_throw(lucet_call *call) { return lucet_call_throw_export(call, "tag", NULL, 0); }
static lucet_status with_rethrow(lucet_call *call) { return lucet_call_rethrow(call); }
static lucet_status with_trap(lucet_call *call) { return lucet_call_trap(call, LUCET_TRAP_HOST); }

static const struct host_row {
  const char *name;
  lucet_status (*call)(lucet_call *);
  int expected[MOMENTS];
} host_rows[] = {
#define HOST_CALL(test, name, host, leaf, nested, suspending, terminating, returned)                         \
  {#test,                                                                                                    \
   with_##test,                                                                                              \
   {LUCET_##host, LUCET_##leaf, LUCET_##nested, LUCET_##suspending, LUCET_##terminating, LUCET_##returned}},
#include "states.def"
#undef HOST_CALL
};

static void host_calls(void) {
  for (size_t row = 0; row < sizeof host_rows / sizeof host_rows[0]; row++)
    for (int at = 0; at < MOMENTS; at++) {
      lucet_outcome outcome;
      guest = fixture_instance(region, module, NULL);
      answer = LUCET_NONE;
      moment = (enum moment)at;
      in_call = host_rows[row].call;
      OK(run_i32(guest, at == IN_LEAF ? "leaf" : "host", 1, at == NESTED, 0, &outcome));
      in_call = NULL;
      if (at == RETURNED) answer = host_rows[row].call(kept);
      if (!harness_result(answer == host_rows[row].expected[at], __FILE__, __LINE__))
        printf("%s, %s: %s, states.def says %s\n", host_rows[row].name, moment_names[at],
               lucet_status_name(answer), lucet_status_name(host_rows[row].expected[at]));
      OK(lucet_instance_release(guest));
    }
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("host", host, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  module = fixture_module("states", linker);
  lucet_linker_release(linker);
  NEED(lucet_module_func(module, "value", &value_func));
  region = fixture_region(4);
  instance_calls();
  host_calls();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
