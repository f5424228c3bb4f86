/* stopping.c: suspending, killing, deadlines, CPU budgets, slices, abandoning, statistics. */
#include "fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum ask {
  ANSWER,
  SUSPEND,
  LEAVE,
  KILL,
  END,
  CALL_AND_LEAVE,
  CATCH_AND_LEAVE,
  CATCH_AND_END,
  CATCH_AND_GO_ON
};

static lucet_region *region;
static lucet_module *module;
static jmp_buf outside, caught;
static int catching, levels;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* For so long LEAVE computes before it leaves. */
static uint64_t busy_ns;

static void be_busy(void) {
  for (uint64_t begun = now_ns(); now_ns() - begun < busy_ns;) {
  }
}

/* A callback whose host function leaves, or one in it. */
static void call_back(lucet_call *call) {
  lucet_value leave = lucet_value_i32(--levels > 0 ? CALL_AND_LEAVE : LEAVE);
  lucet_outcome outcome;
  (void)lucet_call_run(call, "ask", &leave, 1, &outcome);
  CHECK(!"the host function leaves");
}

static void catch_it(lucet_call *call) {
  catching = 1;
  if (!setjmp(caught)) call_back(call);
  catching = 0;
}

static int32_t ask(lucet_call *call, int32_t what) {
  const lucet_value answer = lucet_value_i32(ANSWER);
  lucet_outcome outcome;
  lucet_kill_handle self;
  switch (what) {
  case SUSPEND:
    OK(lucet_call_suspend(call, 77));
    break;
  case END:
    pthread_exit(NULL);
  case LEAVE:
    if (busy_ns) be_busy();
    longjmp(catching ? caught : outside, 1);
  case CALL_AND_LEAVE:
    call_back(call);
    break;
  case CATCH_AND_LEAVE: /* as PG_TRY and PG_RE_THROW */
    catch_it(call);
    longjmp(outside, 1);
  case CATCH_AND_END:
  case CATCH_AND_GO_ON:
    catch_it(call);
    OK(lucet_instance_abandon(lucet_call_instance(call)));
    FAILS(LUCET_BAD_STATE, "not been left", lucet_instance_abandon(lucet_call_instance(call)));
    STATUS(LUCET_BAD_STATE, lucet_call_run(call, "ask", &answer, 1, &outcome));
    OK(lucet_instance_outcome(lucet_call_instance(call), &outcome));
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_HOST);
    if (what == CATCH_AND_END) break;
    OK(lucet_instance_keep(lucet_call_instance(call)));
    OK(lucet_call_run(call, "ask", &answer, 1, &outcome));
    OUTCOME(outcome, LUCET_RETURNED, 0);
    EQUAL(outcome.values[0].of.i32, ANSWER + 1);
    break;
  case KILL:
    OK(lucet_instance_kill_handle(lucet_call_instance(call), &self));
    EQUAL(lucet_kill(self, 5), LUCET_KILL_WHEN_HOST_RETURNS);
    break;
  default:
    break;
  }
  return what;
}

static void suspends(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_instance_stats stats = lucet_instance_stats_default();
  lucet_value right = lucet_value_i32(41), wrong = lucet_value_i64(41);
  lucet_outcome outcome;
  OK(run_i32(guest, "ask", 1, SUSPEND, 0, &outcome));
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  EQUAL(outcome.token, 77);
  STATUS(LUCET_TYPE_MISMATCH, lucet_instance_resume(guest, NULL, 0, &outcome));
  FAILS(LUCET_TYPE_MISMATCH, "result 0", lucet_instance_resume(guest, &wrong, 1, &outcome));
  FAILS(LUCET_BAD_STATE, "resume it", run_i32(guest, "ask", 1, ANSWER, 0, &outcome));
  OK(lucet_instance_resume(guest, &right, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 42);
  OK(lucet_instance_get_stats(guest, &stats));
  EQUAL(stats.entries, 1);
  EQUAL(stats.suspensions, 1);
  EQUAL(stats.host_calls, 1);
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_get_stats(guest, NULL));
  OK(lucet_instance_release(guest));
}

static void *killer(void *handle) {
  const struct timespec moment = {0, 2000000};
  nanosleep(&moment, NULL);
  /* On a busy machine the run may not have begun. */
  int32_t met = lucet_kill(*(lucet_kill_handle *)handle, 9);
  CHECK(met == LUCET_KILL_STOPPING || met == LUCET_KILL_NOT_RUNNING);
  return NULL;
}

static void kills(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_kill_handle handle, none = {{0, 0}};
  lucet_outcome outcome;
  pthread_t thread;
  OK(lucet_instance_kill_handle(guest, &handle));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_kill_handle(guest, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_kill_handle(NULL, &handle));
  pthread_create(&thread, NULL, killer, &handle);
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  pthread_join(thread, NULL);
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  EQUAL(outcome.token, 9);
  EQUAL(lucet_kill(handle, 1), LUCET_KILL_FINISHED);
  EQUAL(lucet_kill(none, 1), LUCET_KILL_FINISHED);
  OK(lucet_instance_reset(guest));
  EQUAL(lucet_kill(handle, 1), LUCET_KILL_FINISHED);
  OK(run_i32(guest, "ask", 1, KILL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  OK(lucet_instance_reset(guest));
  OK(lucet_instance_kill_handle(guest, &handle));
  EQUAL(lucet_kill(handle, 3), LUCET_KILL_NOT_RUNNING);
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  OK(lucet_instance_release(guest));
  EQUAL(lucet_kill(handle, 1), LUCET_KILL_FINISHED);
}

static void times(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  unsigned slices = 0;
  limits.deadline_ns = now_ns() + 2000000;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  CHECK(now_ns() >= limits.deadline_ns);
  OK(lucet_instance_reset(guest));
  limits = lucet_limits_default();
  limits.cpu_ns = 5000000;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_CPU);
  OK(lucet_instance_reset(guest));
  limits = lucet_limits_default();
  limits.slice_ns = 500000;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(run_i32(guest, "count", 1, 20000000, 0, &outcome));
  for (; outcome.kind == LUCET_PREEMPTED; slices++) OK(lucet_instance_resume(guest, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 20000000);
  CHECK(slices > 0);
  OK(lucet_instance_release(guest));
}

static void abandons(void) {
  lucet_instance *volatile guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  static const int32_t ways[] = {LEAVE, CALL_AND_LEAVE, CATCH_AND_LEAVE};
  for (volatile int round = 0; round < 6; round++) {
    STATUS(LUCET_BAD_STATE, lucet_instance_abandon(guest));
    levels = 1 + round / 3;
    if (!setjmp(outside)) {
      (void)run_i32(guest, "ask", 1, ways[round % 3], 0, &outcome);
      CHECK(!"the host function leaves");
    }
    STATUS(LUCET_RUNNING, lucet_instance_reset(guest));
    OK(lucet_instance_abandon(guest));
    STATUS(LUCET_NEEDS_RESET, run_i32(guest, "ask", 1, ANSWER, 0, &outcome));
    OK(lucet_instance_reset(guest));
    EQUAL(RUN1(guest, "ask", ANSWER), ANSWER + 1);
  }
  OK(lucet_instance_release(guest));
}

/* Out of callbacks alone, into the host function that has made them. */
static void abandons_callbacks(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  for (int round = 0; round < 6; round++) {
    /* With a slice that ends in what is left. */
    limits.slice_ns = round & 1 ? 500000 : 0;
    limits.nested_ns = round & 1 ? UINT64_C(10000000000) : 0;
    busy_ns = 2 * limits.slice_ns;
    OK(lucet_instance_set_limits(guest, &limits));
    levels = 1 + round / 2;
    OK(run_i32(guest, "ask", 1, CATCH_AND_END, 0, &outcome));
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_HOST);
    OK(lucet_instance_reset(guest));
    levels = 1 + round / 2;
    OK(run_i32(guest, "ask", 1, CATCH_AND_GO_ON, 0, &outcome));
    if (round & 1) {
      OUTCOME(outcome, LUCET_PREEMPTED, 0);
      OK(lucet_instance_resume(guest, NULL, 0, &outcome));
    }
    OUTCOME(outcome, LUCET_RETURNED, 0);
    EQUAL(outcome.values[0].of.i32, CATCH_AND_GO_ON + 1);
    EQUAL(RUN1(guest, "ask", ANSWER), ANSWER + 1);
  }
  busy_ns = 0;
  OK(lucet_instance_release(guest));
}

/* From further down the stack than the run was: short ways in take little of it. */
static __attribute__((noinline)) void abandon_further_down(lucet_instance *guest) {
  volatile char much[4096];
  much[0] = much[sizeof much - 1] = 1;
  OK(lucet_instance_abandon(guest));
}

static void abandons_short_entries(void) {
  lucet_instance *volatile guest = fixture_instance(region, module, NULL);
  const lucet_func *function = NULL;
  lucet_value leave = lucet_value_i32(LEAVE);
  lucet_outcome outcome;
  LUCET_ENTRY(entry, int32_t, int32_t);
  OK(lucet_module_func(module, "ask", &function));
  CHECK(LUCET_FIND(entry, module, "ask", int32_t, int32_t));
  EQUAL(RUN1(guest, "ask", ANSWER), ANSWER + 1);
  for (volatile int round = 0; round < 6; round++) {
    if (!setjmp(outside)) {
      if (round % 3 == 0) (void)run_i32(guest, "ask", 1, LEAVE, 0, &outcome);
      if (round % 3 == 1) (void)lucet_instance_call(guest, function, &leave, 1, &outcome);
      if (round % 3 == 2) (void)entry(guest, NULL, LEAVE);
      CHECK(!"the host function leaves");
    }
    if (round < 3)
      OK(lucet_instance_abandon(guest));
    else
      abandon_further_down(guest);
    OK(lucet_instance_reset(guest));
    EQUAL(RUN1(guest, "ask", ANSWER), ANSWER + 1);
  }
  OK(lucet_instance_release(guest));
}

/* A thread that ends in a host function: its cleanup handler abandons what it ran. */
static void abandon_it(void *guest) { OK(lucet_instance_abandon((lucet_instance *)guest)); }

static void *ends_inside(void *guest) {
  lucet_outcome outcome;
  pthread_cleanup_push(abandon_it, guest);
  (void)run_i32(guest, "ask", 1, END, 0, &outcome);
  CHECK(!"the thread has ended");
  pthread_cleanup_pop(0);
  return guest;
}

static void *ends_inside_without_a_word(void *guest) {
  lucet_outcome outcome;
  (void)run_i32(guest, "ask", 1, END, 0, &outcome);
  CHECK(!"the thread has ended");
  return guest;
}

static void *runs_to_its_deadline(void *guest) {
  lucet_outcome outcome;
  OK(lucet_instance_run((lucet_instance *)guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  return NULL;
}

static void on_a_thread(void *(*function)(void *), lucet_instance *guest) {
  pthread_t thread;
  void *answer = guest;
  EQUAL(pthread_create(&thread, NULL, function, guest), 0);
  EQUAL(pthread_join(thread, &answer), 0);
  CHECK(answer == NULL);
}

static void threads_that_end(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_limits limits = lucet_limits_default();
  lucet_kill_handle handle;
  lucet_outcome outcome;
  for (int round = 0; round < 4; round++) {
    limits.slice_ns = round & 1 ? 1000000 : 0; /* with a timer, and without */
    OK(lucet_instance_set_limits(guest, &limits));
    OK(lucet_instance_kill_handle(guest, &handle));
    on_a_thread(ends_inside, guest);
    OK(lucet_instance_outcome(guest, &outcome));
    OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_HOST);
    EQUAL(lucet_kill(handle, 1), LUCET_KILL_FINISHED);
    STATUS(LUCET_BAD_STATE, lucet_instance_abandon(guest));
    OK(lucet_instance_reset(guest));
    EQUAL(RUN1(guest, "ask", ANSWER), ANSWER + 1);
  }
  OK(lucet_instance_release(guest));
}

/* Nobody has said so: the instance is lost, and nothing else. In a child, which leaves what is lost behind. */
static void threads_that_end_without_a_word(void) {
  int status = -1;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    lucet_region *own = fixture_region(2);
    lucet_limits limits = lucet_limits_default();
    lucet_instance *lost = fixture_instance(own, module, NULL), *other = fixture_instance(own, module, NULL);
    lucet_kill_handle handle;
    unsigned before = harness_failures;
    const uint64_t first = now_ns() + 200000000; /* a busy machine may take a while to make a thread */
    limits.deadline_ns = first;
    OK(lucet_instance_set_limits(lost, &limits));
    OK(lucet_instance_kill_handle(lost, &handle));
    on_a_thread(ends_inside_without_a_word, lost);
    STATUS(LUCET_RUNNING, lucet_instance_release(lost));
    STATUS(LUCET_BAD_STATE, lucet_instance_abandon(lost));
    EQUAL(lucet_kill(handle, 1), LUCET_KILL_WHEN_HOST_RETURNS);
    for (int round = 0; round < 2; round++) {
      limits.deadline_ns = (round ? now_ns() : first) + 40000000; /* later than that of the one that is lost */
      OK(lucet_instance_set_limits(other, &limits));
      on_a_thread(runs_to_its_deadline, other);
      OK(lucet_instance_reset(other));
    }
    OK(lucet_instance_release(other));
    lucet_region_release(own);
    fflush(stdout);
    _exit(harness_failures != before);
  }
  EQUAL(waitpid(child, &status, 0), child);
  EQUAL(status, 0);
}

/* Slices and budgets that cannot be kept are refused, by every call that takes limits. */
static void too_little_time(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL), *none = NULL;
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  const uint64_t slices[] = {1, 99999}, budgets[] = {1, 199999};
  for (int i = 0; i < 2; i++) {
    limits.slice_ns = slices[i];
    limits.cpu_ns = 0;
    FAILS(LUCET_BAD_ARGUMENT, "slice_ns", lucet_instance_set_limits(guest, &limits));
    FAILS(LUCET_BAD_ARGUMENT, "slice_ns", lucet_instance_new(region, module, NULL, &limits, &none));
    limits.slice_ns = 0;
    limits.cpu_ns = budgets[i];
    FAILS(LUCET_BAD_ARGUMENT, "cpu_ns", lucet_instance_set_limits(guest, &limits));
    FAILS(LUCET_BAD_ARGUMENT, "cpu_ns", lucet_instance_new(region, module, NULL, &limits, &none));
  }
  limits.slice_ns = 500000;
  limits.cpu_ns = 200000;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  while (outcome.kind == LUCET_PREEMPTED) /* on a busy machine a slice may end before so much is computed */
    OK(lucet_instance_resume(guest, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_CPU);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_linker *linker = NULL;
  struct sigaction before, after;
  STATUS(LUCET_BAD_ARGUMENT, lucet_signals_choose_stop(SIGALRM));
  OK(lucet_signals_choose_stop(SIGRTMIN + 3));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t)));
  module = fixture_module("stopping", linker);
  lucet_linker_release(linker);
  sigaction(SIGRTMIN + 3, NULL, &before);
  region = fixture_region(4);
  sigaction(SIGRTMIN + 3, NULL, &after);
  CHECK(before.sa_handler == SIG_DFL && after.sa_handler != SIG_DFL);
  STATUS(LUCET_BAD_STATE, lucet_signals_choose_stop(SIGRTMIN + 4));
  suspends();
  kills();
  times();
  abandons();
  abandons_short_entries();
  abandons_callbacks();
  threads_that_end();
  threads_that_end_without_a_word();
  too_little_time();
  lucet_module_release(module);
  lucet_region_release(region);
  OK(lucet_signals_remove());
  sigaction(SIGRTMIN + 3, NULL, &after);
  CHECK(after.sa_handler == SIG_IGN);
  return finish();
}
