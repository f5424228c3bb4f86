/* original.c: what a C host of the original Lucet could see and no other test here shows; docs/original-checklist.md has the whole list.
 */
#include "fixture.h"
#include <pthread.h>

static lucet_region *region;
static lucet_module *module;

static int32_t add(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left + right;
}

/* Waits for the product, whose factors the host finds by the token. */
static int32_t factors[2];
static int32_t multiply(lucet_call *call, int32_t left, int32_t right) {
  factors[0] = left;
  factors[1] = right;
  OK(lucet_call_suspend(call, (uint64_t)left));
  return 0;
}

/* An import that the guest exports is an entry as any other: by name, by handle, and as one that waits. */
static void imported_entry(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_value arguments[2], product = lucet_value_i32(56);
  const lucet_func *func;
  lucet_outcome outcome;
  EQUAL(RUN2(guest, "imported", 20, 22), 42);
  arguments[0] = lucet_value_i32(7);
  arguments[1] = lucet_value_i32(8);
  OK(lucet_module_func(module, "imported", &func));
  OK(lucet_instance_call(guest, func, arguments, 2, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 15);
  OK(lucet_instance_run(guest, "waits", arguments, 2, &outcome));
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  OK(lucet_instance_resume(guest, &product, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 56);
  OK(lucet_instance_release(guest));
}

struct resume {
  lucet_instance *guest;
  lucet_outcome outcome;
  lucet_status status;
};

static void *resume(void *data) {
  struct resume *it = data;
  lucet_value product = lucet_value_i32(factors[0] * factors[1]);
  it->status = lucet_instance_resume(it->guest, &product, 1, &it->outcome);
  return NULL;
}

/* The guest asks, the host computes, in turns, every other time on another thread. */
static void factorials(void) {
  static const int32_t partial[] = {1, 2, 6, 24, 120};
  struct resume it = {fixture_instance(region, module, NULL), {0}, LUCET_OK};
  OK(run_i32(it.guest, "factorial", 1, 5, 0, &it.outcome));
  for (int step = 1; step <= 5; step++) {
    pthread_t thread;
    OUTCOME(it.outcome, LUCET_SUSPENDED, 0);
    EQUAL(it.outcome.token, step);
    EQUAL(factors[0] * factors[1], partial[step - 1]);
    if (step % 2) {
      EQUAL(pthread_create(&thread, NULL, resume, &it), 0);
      EQUAL(pthread_join(thread, NULL), 0);
    } else {
      resume(&it);
    }
    OK(it.status);
  }
  OUTCOME(it.outcome, LUCET_RETURNED, 0);
  EQUAL(it.outcome.values[0].of.i32, 120);
  OK(lucet_instance_release(it.guest));
}

/* Host and guest grow memory in turns, each finds the other's pages, and what is in them stays from run to run. */
static void growing_in_turns(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  uint64_t before = 0;
  int32_t here, number = 41;
  OK(lucet_instance_memory_grow(guest, 0, 2, &before));
  EQUAL(before, 1);
  here = RUN0(guest, "new_page");
  EQUAL(here, 3 * 65536);
  OK(lucet_instance_write(guest, 0, (uint64_t)here, &number, sizeof number));
  EQUAL(RUN1(guest, "increment", here), 42);
  EQUAL(RUN0(guest, "new_page"), 4 * 65536);
  EQUAL(RUN1(guest, "increment", here), 43);
  OK(lucet_instance_read(guest, 0, (uint64_t)here, &number, sizeof number));
  EQUAL(number, 43);
  EQUAL(lucet_instance_memory(guest, 0).size, 5 * 65536);
  OK(lucet_instance_release(guest));
}

/* Two kills before a run: it ends with one of the reasons, and a third one has nothing to do. */
static void twice(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_kill_handle handle;
  lucet_outcome outcome;
  OK(lucet_instance_kill_handle(guest, &handle));
  EQUAL(lucet_kill(handle, 1), LUCET_KILL_NOT_RUNNING);
  EQUAL(lucet_kill(handle, 2), LUCET_KILL_NOT_RUNNING);
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  EQUAL(outcome.token, 1);
  EQUAL(lucet_kill(handle, 3), LUCET_KILL_FINISHED);
  OK(lucet_instance_reset(guest));
  EQUAL(lucet_kill(handle, 4), LUCET_KILL_FINISHED);
  EQUAL(RUN2(guest, "imported", 1, 2), 3);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("add", add, int32_t, int32_t, int32_t),
                    LUCET_HOST("multiply", multiply, int32_t, int32_t, int32_t)));
  module = fixture_module("original", linker);
  lucet_linker_release(linker);
  region = fixture_region(4);
  imported_entry();
  factorials();
  growing_in_turns();
  twice();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
