/* host_state.c: what of the processor and the thread is the host's own is so again after every way out of a
 * guest: rounding and flushing modes (MXCSR), the x87 control word, the direction flag, the signal mask, the
 * alternate stack, errno. And what the host has set there does not reach the guest. */
#include "fixture.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

enum ask { ANSWER, SUSPEND, LEAVE, TERMINATE, TRAP, CALL_BACK, CALL_BACK_AND_TRAP, SPIN_IN_CALLBACK };

enum { FLAGS = 0x3f, DIRECTION = 0x400 };
/* Round up, flush denormal numbers and take them for zero; all exceptions masked. */
#define ODD_MXCSR 0xdfc0u
/* The same, and division by zero not masked. */
#define ODDER_MXCSR 0xddc0u
/* Double precision, round down. */
#define ODD_X87 0x067fu

static lucet_region *region;
static lucet_module *module;
static lucet_instance *guest;
static jmp_buf outside;
static int64_t right_floats;

struct state {
  uint32_t mxcsr;
  uint16_t x87;
  uint64_t flags;
  sigset_t mask;
  stack_t stack;
};

static void look(struct state *state) {
  memset(state, 0, sizeof *state);
  __asm__ volatile("stmxcsr %0" : "=m"(state->mxcsr));
  __asm__ volatile("fnstcw %0" : "=m"(state->x87));
  __asm__ volatile("pushfq\n\tpopq %0" : "=r"(state->flags));
  pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
  sigaltstack(NULL, &state->stack);
}

static void set_modes(uint32_t mxcsr, uint16_t x87) {
  __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  __asm__ volatile("fldcw %0" : : "m"(x87));
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What a host function must find; 0: it is not looked at. */
static uint32_t right_modes;
static unsigned wrong_modes;

static void look_at_modes(void) {
  uint32_t mxcsr;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  if (right_modes && (mxcsr & ~(uint32_t)FLAGS) != right_modes) wrong_modes++;
}

static int32_t ask(lucet_call *call, int32_t what) {
  lucet_outcome outcome;
  look_at_modes();
  switch (what) {
  case SUSPEND:
    if (lucet_call_suspend(call, 1)) return -1;
    break;
  case LEAVE:
    longjmp(outside, 1);
  case TERMINATE:
    if (lucet_call_terminate(call, 5)) return -1;
    break;
  case TRAP:
    if (lucet_call_trap(call, LUCET_TRAP_HOST)) return -1;
    break;
  case CALL_BACK:
    if (lucet_call_run(call, "value", NULL, 0, &outcome)) return -1;
    look_at_modes();
    break;
  case CALL_BACK_AND_TRAP:
    if (lucet_call_run(call, "unreachable", NULL, 0, &outcome)) return -1;
    break;
  case SPIN_IN_CALLBACK:
    if (lucet_call_run(call, "spin", NULL, 0, &outcome)) return -1;
    break;
  default:
    break;
  }
  return what;
}

static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  return value + 1;
}

static lucet_outcome run(const char *name, const lucet_value *arguments, size_t count) {
  lucet_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  if (lucet_instance_run(guest, name, arguments, count, &outcome)) outcome.kind = 99;
  return outcome;
}

static lucet_outcome run1(const char *name, int32_t argument) {
  lucet_value value = lucet_value_i32(argument);
  return run(name, &value, 1);
}

static void limit(uint64_t deadline, uint64_t cpu, uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = deadline;
  limits.cpu_ns = cpu;
  limits.slice_ns = slice;
  OK(lucet_instance_set_limits(guest, &limits));
}

static void *kill_soon(void *handle) {
  const struct timespec moment = {0, 1000000};
  nanosleep(&moment, NULL);
  lucet_kill(*(lucet_kill_handle *)handle, 9);
  return NULL;
}

/* The ways. Each answers the outcome of its last entry. */
static lucet_outcome returns(void) { return run("value", NULL, 0); }
static lucet_outcome returns_by_handle(void) {
  const lucet_func *value;
  lucet_outcome outcome;
  if (lucet_module_func(module, "value", &value))
    outcome.kind = 99;
  else if (lucet_instance_call(guest, value, NULL, 0, &outcome))
    outcome.kind = 98;
  return outcome;
}
static lucet_outcome returns_from_a_typed_entry(void) {
  LUCET_ENTRY(value, int32_t);
  lucet_outcome outcome;
  int32_t result = 0;
  memset(&outcome, 0, sizeof outcome);
  if (LUCET_FIND(value, module, "value", int32_t)) outcome.kind = value(guest, &result);
  if (result != 42) outcome.kind = 97;
  return outcome;
}
static lucet_outcome calls_out(void) { return run1("ask", ANSWER); }
static lucet_outcome calls_a_leaf(void) { return run1("leaf", 1); }
static lucet_outcome calls_back(void) { return run1("ask", CALL_BACK); }
static lucet_outcome traps_by_an_instruction(void) { return run("unreachable", NULL, 0); }
static lucet_outcome traps_by_an_access(void) { return run("outside", NULL, 0); }
static lucet_outcome traps_by_a_check(void) { return run1("divide", 0); }
static lucet_outcome throws(void) { return run("throw", NULL, 0); }
static lucet_outcome catches(void) { return run("catch", NULL, 0); }
static lucet_outcome overflows(void) { return run1("deep", 0); }
static lucet_outcome traps_in_a_callback(void) { return run1("ask", CALL_BACK_AND_TRAP); }
static lucet_outcome is_trapped_by_its_host(void) { return run1("ask", TRAP); }
static lucet_outcome is_terminated(void) { return run1("ask", TERMINATE); }
static lucet_outcome is_suspended(void) { return run1("ask", SUSPEND); }
static lucet_outcome is_resumed(void) {
  lucet_value answer = lucet_value_i32(7);
  lucet_outcome outcome = run1("ask", SUSPEND);
  if (outcome.kind == LUCET_SUSPENDED && lucet_instance_resume(guest, &answer, 1, &outcome))
    outcome.kind = 99;
  return outcome;
}
static lucet_outcome is_preempted(void) { return run("spin", NULL, 0); }
static lucet_outcome is_preempted_and_goes_on(void) {
  lucet_outcome outcome = run1("count", 20000000);
  while (outcome.kind == LUCET_PREEMPTED)
    if (lucet_instance_resume(guest, NULL, 0, &outcome)) outcome.kind = 99;
  return outcome;
}
static lucet_outcome spins(void) { return run("spin", NULL, 0); }
static lucet_outcome spins_in_a_callback(void) { return run1("ask", SPIN_IN_CALLBACK); }
static lucet_outcome is_killed(void) {
  static lucet_kill_handle handle;
  lucet_outcome outcome;
  pthread_t thread;
  lucet_instance_kill_handle(guest, &handle);
  pthread_create(&thread, NULL, kill_soon, &handle);
  outcome = run("spin", NULL, 0);
  pthread_join(thread, NULL);
  return outcome;
}
static lucet_outcome is_abandoned(void) {
  lucet_outcome outcome;
  if (setjmp(outside) == 0) return run1("ask", LEAVE);
  lucet_instance_abandon(guest);
  memset(&outcome, 0, sizeof outcome);
  if (lucet_instance_outcome(guest, &outcome)) outcome.kind = 99;
  return outcome;
}

enum limits { NONE, DEADLINE, CPU, SLICE };

static const struct way {
  const char *name;
  lucet_outcome (*take)(void);
  uint32_t kind, detail;
  enum limits limits;
} ways[] = {
    {"returns", returns, LUCET_RETURNED, 0, NONE},
    {"returns, by handle", returns_by_handle, LUCET_RETURNED, 0, NONE},
    {"returns, typed", returns_from_a_typed_entry, LUCET_RETURNED, 0, NONE},
    {"calls out", calls_out, LUCET_RETURNED, 0, NONE},
    {"calls a leaf", calls_a_leaf, LUCET_RETURNED, 0, NONE},
    {"calls back", calls_back, LUCET_RETURNED, 0, NONE},
    {"traps, instruction", traps_by_an_instruction, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE, NONE},
    {"traps, access", traps_by_an_access, LUCET_TRAPPED, LUCET_TRAP_MEMORY, NONE},
    {"traps, check", traps_by_a_check, LUCET_TRAPPED, LUCET_TRAP_DIVIDE_BY_ZERO, NONE},
    {"traps, stack", overflows, LUCET_TRAPPED, LUCET_TRAP_STACK, NONE},
    {"throws", throws, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION, NONE},
    {"catches", catches, LUCET_RETURNED, 0, NONE},
    {"traps, callback", traps_in_a_callback, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE, NONE},
    {"traps, host", is_trapped_by_its_host, LUCET_TRAPPED, LUCET_TRAP_HOST, NONE},
    {"terminated", is_terminated, LUCET_TERMINATED, LUCET_STOP_HOST, NONE},
    {"suspended", is_suspended, LUCET_SUSPENDED, 0, NONE},
    {"resumed", is_resumed, LUCET_RETURNED, 0, NONE},
    {"preempted", is_preempted, LUCET_PREEMPTED, 0, SLICE},
    {"preempted, resumed", is_preempted_and_goes_on, LUCET_RETURNED, 0, SLICE},
    {"deadline", spins, LUCET_TERMINATED, LUCET_STOP_DEADLINE, DEADLINE},
    {"cpu", spins, LUCET_TERMINATED, LUCET_STOP_CPU, CPU},
    {"nested", spins_in_a_callback, LUCET_TERMINATED, LUCET_STOP_NESTED, SLICE},
    {"killed", is_killed, LUCET_TERMINATED, LUCET_STOP_KILL, NONE},
    {"abandoned", is_abandoned, LUCET_TERMINATED, LUCET_STOP_HOST, NONE},
};

static void take(const struct way *way, uint32_t mxcsr) {
  struct state before, after;
  sigset_t some;
  lucet_outcome outcome;
  int error;
  limit(way->limits == DEADLINE ? now_ns() + 1000000 : 0, way->limits == CPU ? 1000000 : 0,
        way->limits == SLICE ? 600000 : 0);
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  sigaddset(&some, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &some, NULL);
  set_modes(mxcsr, ODD_X87);
  right_modes = mxcsr & ~(uint32_t)FLAGS;
  look(&before);
  errno = 4711;
  outcome = way->take();
  error = errno;
  look(&after);
  set_modes(0x1f80, 0x037f);
  right_modes = 0;
  if (!harness_result(outcome.kind == way->kind && outcome.detail == way->detail, __FILE__, __LINE__))
    printf("%s: outcome %u detail %u: %s\n", way->name, outcome.kind, outcome.detail, lucet_last_error());
  if (!harness_result(error == 4711, __FILE__, __LINE__)) printf("%s: errno %d\n", way->name, error);
  if (!harness_result((after.mxcsr & ~(uint32_t)FLAGS) == (before.mxcsr & ~(uint32_t)FLAGS), __FILE__,
                      __LINE__))
    printf("%s: MXCSR %x, was %x\n", way->name, after.mxcsr, before.mxcsr);
  if (!harness_result(after.x87 == ODD_X87, __FILE__, __LINE__)) printf("%s: x87 %x\n", way->name, after.x87);
  if (!harness_result(!(after.flags & DIRECTION), __FILE__, __LINE__)) printf("%s: direction\n", way->name);
  if (!harness_result(!memcmp(&after.mask, &before.mask, 8), __FILE__, __LINE__))
    printf("%s: mask\n", way->name);
  if (!harness_result(after.stack.ss_sp == before.stack.ss_sp &&
                          after.stack.ss_size == before.stack.ss_size &&
                          after.stack.ss_flags == before.stack.ss_flags,
                      __FILE__, __LINE__))
    printf("%s: alternate stack\n", way->name);
  OK(lucet_instance_reset(guest));
}

/* The guest computes as if the host had set nothing. */
static void floats(void) {
  lucet_value callback = lucet_value_i32(CALL_BACK), plain = lucet_value_i32(ANSWER),
              suspend = lucet_value_i32(SUSPEND);
  lucet_value answer = lucet_value_i32(0);
  lucet_outcome outcome;
  limit(0, 0, 0);
  right_floats = run("floats", NULL, 0).values[0].of.i64;
  set_modes(ODD_MXCSR, ODD_X87);
  EQUAL(run("floats", NULL, 0).values[0].of.i64, right_floats);
  EQUAL(run("floats_after", &plain, 1).values[0].of.i64, right_floats);
  EQUAL(run("floats_after", &callback, 1).values[0].of.i64, right_floats);
  outcome = run("floats_after", &suspend, 1);
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  set_modes(0x7f80, ODD_X87);
  OK(lucet_instance_resume(guest, &answer, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i64, right_floats);
  set_modes(0x1f80, 0x037f);
}

/* A guest without floats is entered with the host's own modes, which its host functions have all the same. */
static void take_all(lucet_linker *linker, const char *name, bool computes) {
  module = fixture_module(name, linker);
  guest = fixture_instance(region, module, NULL);
  /* The first run prepares the thread: its alternate stack stays. */
  errno = 4711;
  EQUAL(RUN0(guest, "value"), 42);
  EQUAL(errno, 4711);
  if (computes) floats();
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    take(&ways[i], 0x1f80);
    take(&ways[i], ODD_MXCSR);
    take(&ways[i], ODDER_MXCSR);
  }
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  region = fixture_region(2);
  take_all(linker, "ways", true);
  take_all(linker, "ways_of_words", false);
  EQUAL(wrong_modes, 0);
  lucet_linker_release(linker);
  lucet_region_release(region);
  return finish();
}
