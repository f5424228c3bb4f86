/* inside.c: host functions that run other instances. What is over for the guest that has called them is over for those, too, and
 * they cannot take its thread for longer than a callback could; but for hosts that change stacks, where one run on a thread
 * says nothing of another. */
#include "fixture.h"
#include <setjmp.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum ask {
  BY_NAME = 1,
  BY_HANDLE,
  BY_TYPED_ENTRY,
  BY_RESUME,
  FURTHER_IN, /* the one inside runs one itself */
  TOO_LATE,   /* the time is over before the other one begins */
  AND_LEAVE,  /* the other one is left by longjmp */
  OUT,        /* longjmp */
  TO_OTHER_STACK,
  NOTHING
};
enum { MS = 1000000 };

static lucet_region *region;
static lucet_module *module;
static lucet_instance *outer, *inner, *innermost;
static lucet_outcome of_inner;
static jmp_buf here;
static ucontext_t main_stack, other_stack;
/* Whether the outer guest has come to its host function. */
static int asked;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void limit(lucet_instance *guest, uint64_t deadline, uint64_t cpu, uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = deadline;
  limits.cpu_ns = cpu;
  limits.slice_ns = slice;
  OK(lucet_instance_set_limits(guest, &limits));
}

static void spin(int32_t how) {
  LUCET_ENTRY(entry, void);
  const lucet_func *function;
  const struct timespec moment = {0, 20 * MS};
  switch (how) {
  case BY_HANDLE:
    OK(lucet_module_func(module, "spin", &function));
    OK(lucet_instance_call(inner, function, NULL, 0, &of_inner));
    break;
  case BY_TYPED_ENTRY:
    if (LUCET_FIND(entry, module, "spin", void)) of_inner.kind = entry(inner, NULL);
    OK(lucet_instance_outcome(inner, &of_inner));
    break;
  case BY_RESUME:
    OK(lucet_instance_resume(inner, NULL, 0, &of_inner));
    break;
  case FURTHER_IN:
    OK(run_i32(inner, "ask", 1, BY_NAME, 0, &of_inner));
    break;
  case TOO_LATE:
    while (nanosleep(&moment, NULL)) {
    }
    OK(run_i32(inner, "ask", 1, NOTHING, 0, &of_inner));
    break;
  default:
    OK(lucet_instance_run(inner, "spin", NULL, 0, &of_inner));
    break;
  }
}

static int32_t ask(lucet_call *call, int32_t what) {
  lucet_outcome outcome;
  asked = 1;
  switch (what) {
  case NOTHING:
    break;
  case OUT:
    longjmp(here, 1);
  case AND_LEAVE:
    if (!setjmp(here)) {
      (void)run_i32(inner, "ask", 1, OUT, 0, &outcome);
      CHECK(!"the host function leaves");
    }
    OK(lucet_instance_abandon(inner));
    break;
  case TO_OTHER_STACK:
    if (lucet_call_instance(call) == outer)
      swapcontext(&main_stack, &other_stack);
    else
      swapcontext(&other_stack, &main_stack);
    break;
  default:
    if (lucet_call_instance(call) == inner)
      OK(lucet_instance_run(innermost, "spin", NULL, 0, &of_inner));
    else
      spin(what);
    break;
  }
  return what;
}

/* Everything is as if it was new. */
static void again(void) {
  lucet_instance *all[] = {outer, inner, innermost};
  for (int i = 0; i < 3; i++) {
    limit(all[i], 0, 0, 0);
    OK(lucet_instance_reset(all[i]));
    EQUAL(RUN1(all[i], "ask", NOTHING), NOTHING + 1);
  }
  memset(&of_inner, 0, sizeof of_inner);
}

static const int32_t ways[] = {BY_NAME, BY_HANDLE, BY_TYPED_ENTRY, FURTHER_IN, BY_RESUME};

/* What the other instance is resumed from. */
static void prepare(int32_t way) {
  lucet_outcome outcome;
  if (way != BY_RESUME) return;
  limit(inner, 0, 0, 500000);
  OK(lucet_instance_run(inner, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_PREEMPTED, 0);
  limit(inner, 0, 0, 0);
}

/* Has the outer one call its host function, and its deadline so many nanoseconds later. On a busy machine that may come before the
 * host function is called: then again. `begun`: when it was begun. */
static lucet_outcome asks_before_its_deadline(int32_t what, uint64_t later, uint64_t *begun) {
  lucet_outcome outcome;
  for (;;) {
    prepare(what);
    asked = 0;
    *begun = now_ns();
    limit(outer, *begun + later, 0, 0);
    OK(run_i32(outer, "ask", 1, what, 0, &outcome));
    if (asked) return outcome;
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
    again();
  }
}

static void limits_end_both(void) {
  lucet_outcome outcome;
  for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    uint64_t begun;
    outcome = asks_before_its_deadline(ways[i], 3 * MS, &begun);
    CHECK(now_ns() >= begun + 3 * MS);
    OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
    again();
    prepare(ways[i]);
    limit(outer, 0, 3 * MS, 0);
    OK(run_i32(outer, "ask", 1, ways[i], 0, &outcome));
    OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_CPU);
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_CPU);
    again();
  }
}

static void over_before_it_begins(void) {
  uint64_t begun;
  lucet_outcome outcome = asks_before_its_deadline(TOO_LATE, 2 * MS, &begun);
  OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  again();
}

/* Its own limits end the inner one alone. */
static void limits_of_the_inner_one(void) {
  lucet_outcome outcome;
  limit(outer, now_ns() + 60000 * (uint64_t)MS, 0, 0);
  limit(inner, now_ns() + 2 * MS, 0, 0);
  OK(run_i32(outer, "ask", 1, BY_HANDLE, 0, &outcome));
  OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OUTCOME(outcome, LUCET_RETURNED, 0);
  again();
  limit(outer, now_ns() + 60000 * (uint64_t)MS, 0, 0);
  limit(inner, 0, 0, 500000);
  OK(run_i32(outer, "ask", 1, BY_NAME, 0, &outcome));
  OUTCOME(of_inner, LUCET_PREEMPTED, 0);
  OUTCOME(outcome, LUCET_RETURNED, 0);
  again();
}

/* The slice of the outer one ends: it can be preempted only when the inner one has ended, which has as long as a callback. */
static void slices(void) {
  lucet_outcome outcome;
  for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    uint64_t begun;
    prepare(ways[i]);
    limit(outer, 0, 0, 2 * MS);
    asked = 0;
    begun = now_ns();
    OK(run_i32(outer, "ask", 1, ways[i], 0, &outcome));
    while (!asked) { /* on a busy machine a slice is soon over */
      OUTCOME(outcome, LUCET_PREEMPTED, 0);
      begun = now_ns();
      OK(lucet_instance_resume(outer, NULL, 0, &outcome));
    }
    CHECK(now_ns() - begun >= 4 * MS);
    OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_NESTED);
    OUTCOME(outcome, LUCET_PREEMPTED, 0);
    while (outcome.kind == LUCET_PREEMPTED)
      OK(lucet_instance_resume(outer, NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_RETURNED, 0);
    again();
  }
}

/* The inner one is left by longjmp; the outer one goes on, and has its times. */
static void left_alone(void) {
  lucet_outcome outcome;
  for (int round = 0; round < 4; round++) {
    limit(outer, round & 1 ? now_ns() + 60000 * (uint64_t)MS : 0, 0, round & 2 ? 1 * MS : 0);
    OK(run_i32(outer, "ask", 1, AND_LEAVE, 0, &outcome));
    while (outcome.kind == LUCET_PREEMPTED)
      OK(lucet_instance_resume(outer, NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_RETURNED, 0);
    EQUAL(outcome.values[0].of.i32, AND_LEAVE + 1);
    STATUS(LUCET_NEEDS_RESET, run_i32(inner, "ask", 1, NOTHING, 0, &outcome));
    again();
    limit(outer, now_ns() + 2 * MS, 0, 0);
    OK(lucet_instance_run(outer, "spin", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
    again();
  }
}

/* Coroutines: a guest that waits on another stack, and whose time is over, is nothing to one that runs here. */
static void on_other_stack(void) {
  OK(run_i32(inner, "count", 1, 30000000, 0, &of_inner));
  OUTCOME(of_inner, LUCET_RETURNED, 0);
}

static uint64_t own_deadline;

static void to_its_own_deadline(void) {
  own_deadline = now_ns() + 60 * MS;
  limit(inner, own_deadline, 0, 0);
  OK(run_i32(inner, "ask_and_spin", 1, TO_OTHER_STACK, 0, &of_inner));
}

static void coroutines(void) {
  static char stack[256 << 10];
  lucet_outcome outcome;
  void (*const tasks[])(void) = {on_other_stack, to_its_own_deadline};
  for (volatile int i = 0; i < 2; i++) {
    uint64_t begun;
    getcontext(&other_stack);
    other_stack.uc_stack.ss_sp = stack;
    other_stack.uc_stack.ss_size = sizeof stack;
    other_stack.uc_link = &main_stack;
    makecontext(&other_stack, tasks[i], 0);
    outcome = asks_before_its_deadline(TO_OTHER_STACK, 2 * MS, &begun);
    if (!i) {
      OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
    } else {
      /* The one that began first has ended, the other goes on. */
      CHECK(outcome.kind == LUCET_RETURNED || outcome.detail == LUCET_STOP_DEADLINE);
      swapcontext(&main_stack, &other_stack);
      OUTCOME(of_inner, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
      CHECK(now_ns() >= own_deadline);
    }
    again();
  }
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t)));
  module = fixture_module("stopping", linker);
  lucet_linker_release(linker);
  region = fixture_region(4);
  outer = fixture_instance(region, module, NULL);
  inner = fixture_instance(region, module, NULL);
  innermost = fixture_instance(region, module, NULL);
  limits_end_both();
  over_before_it_begins();
  limits_of_the_inner_one();
  slices();
  left_alone();
  coroutines();
  OK(lucet_instance_release(outer));
  OK(lucet_instance_release(inner));
  OK(lucet_instance_release(innermost));
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
