/* host.c WHAT GUEST: a host for debuggers, profilers and valgrind to look at.
 *
 *   calls      a host function that calls `here`, below a guest that was entered by name, by handle, in a callback, and resumed
 *   computes   a guest for a second of processor time, from a module that is mapped in place
 *   all        what guests can end with, once each
 *
 * Prints one line at the end, "host: done", or which step went wrong. */
#define _GNU_SOURCE
#include <lucet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PLAIN, CALL_BACK, SUSPEND };

static lucet_module *module;
static lucet_region *region;
static lucet_instance *guest;
static volatile int depth;

static void need(int good, const char *what) {
  if (good) return;
  printf("host: %s: %s\n", what, lucet_last_error());
  exit(1);
}
#define NEED(call) need((call) == LUCET_OK, #call)

/* Where the debugger stops: who is below? */
__attribute__((noinline)) void here(int value) {
  depth = value;
  __asm__ volatile("" : : "r"(value) : "memory");
}

__attribute__((noinline)) int32_t host_function(lucet_call *call, int32_t what) {
  lucet_value argument = lucet_value_i32(PLAIN);
  lucet_outcome outcome;
  if (what == CALL_BACK) {
    NEED(lucet_call_run(call, "outermost", &argument, 1, &outcome));
    need(outcome.kind == LUCET_RETURNED, "callback");
  } else if (what == SUSPEND) {
    NEED(lucet_call_suspend(call, 3));
  } else {
    here(what);
  }
  return what + 7;
}

static uint32_t run(const char *name, int32_t argument, size_t count, lucet_outcome *outcome) {
  lucet_value value = lucet_value_i32(argument);
  NEED(lucet_instance_run(guest, name, &value, count, outcome));
  return outcome->kind;
}

__attribute__((noinline)) void host_caller(int32_t what) {
  lucet_outcome outcome;
  need(run("outermost", what, 1, &outcome) == LUCET_RETURNED, "outermost");
  depth = outcome.values[0].of.i32;
}

__attribute__((noinline)) void host_caller_by_handle(int32_t what) {
  lucet_value value = lucet_value_i32(what);
  const lucet_func *func;
  lucet_outcome outcome;
  NEED(lucet_module_func(module, "outermost", &func));
  NEED(lucet_instance_call(guest, func, &value, 1, &outcome));
  need(outcome.kind == LUCET_RETURNED, "by handle");
}

/* Suspended in the first call, resumed on another thread, where the second call stops. */
__attribute__((noinline)) void *host_resumer(void *nothing) {
  lucet_value answer = lucet_value_i32(1);
  lucet_outcome outcome;
  NEED(lucet_instance_resume(guest, &answer, 1, &outcome));
  need(outcome.kind == LUCET_RETURNED, "resumed");
  return nothing;
}

static void limit(uint64_t deadline) {
  struct timespec now;
  lucet_limits limits = lucet_limits_default();
  clock_gettime(CLOCK_MONOTONIC, &now);
  limits.deadline_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + deadline;
  NEED(lucet_instance_set_limits(guest, &limits));
}

static void *kill_soon(void *handle) {
  const struct timespec moment = {0, 50000000};
  nanosleep(&moment, NULL);
  lucet_kill(*(lucet_kill_handle *)handle, 4);
  return NULL;
}

static void everything(void) {
  lucet_outcome outcome;
  lucet_kill_handle handle;
  pthread_t thread;
  host_caller(PLAIN);
  host_caller(CALL_BACK);
  host_caller_by_handle(PLAIN);
  need(run("outermost", SUSPEND, 1, &outcome) == LUCET_SUSPENDED && outcome.token == 3, "suspended");
  pthread_create(&thread, NULL, host_resumer, NULL);
  pthread_join(thread, NULL);
  need(run("outermost", SUSPEND, 1, &outcome) == LUCET_SUSPENDED, "suspended again");
  NEED(lucet_instance_reset(guest));
  need(run("compute", 1000, 1, &outcome) == LUCET_RETURNED, "compute");
  need(run("grow", 0, 0, &outcome) == LUCET_RETURNED && outcome.values[0].of.i32 == 1, "grow");
  need(run("fill", 0, 0, &outcome) == LUCET_RETURNED, "fill");
  need(run("outside", 0, 0, &outcome) == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_MEMORY, "outside");
  NEED(lucet_instance_reset(guest));
  for (int i = 0; i < 4; i++) { /* from the second one on, the stack stays in memory */
    need(run("deep", 0, 1, &outcome) == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_STACK, "deep");
    NEED(lucet_instance_reset(guest));
  }
  NEED(lucet_instance_kill_handle(guest, &handle));
  pthread_create(&thread, NULL, kill_soon, &handle);
  need(run("spin", 0, 0, &outcome) == LUCET_TERMINATED && outcome.detail == LUCET_STOP_KILL, "killed");
  pthread_join(thread, NULL);
  NEED(lucet_instance_reset(guest));
  limit(50000000);
  need(run("spin", 0, 0, &outcome) == LUCET_TERMINATED && outcome.detail == LUCET_STOP_DEADLINE, "deadline");
  NEED(lucet_instance_reset(guest));
}

static void computes(void) {
  lucet_outcome outcome;
  while (clock() < CLOCKS_PER_SEC)
    need(run("compute", 20000000, 1, &outcome) == LUCET_RETURNED, "compute");
}

static void calls(void) {
  lucet_outcome outcome;
  pthread_t thread;
  host_caller(PLAIN);
  host_caller_by_handle(PLAIN);
  host_caller(CALL_BACK);
  need(run("twice", SUSPEND, 1, &outcome) == LUCET_SUSPENDED, "suspended");
  pthread_create(&thread, NULL, host_resumer, NULL);
  pthread_join(thread, NULL);
}

int main(int count, char **arguments) {
  lucet_linker *linker = NULL;
  lucet_load_options options = lucet_load_options_default();
  lucet_region_config config = lucet_region_config_default();
  if (count != 3) return 2;
  config.instances = 1; /* valgrind has little address space to give */
  NEED(lucet_signals_install(0));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("act", host_function, int32_t, int32_t)));
  if (!strcmp(arguments[1], "computes")) options.flags |= LUCET_LOAD_IN_PLACE;
  NEED(lucet_module_load_file(arguments[2], linker, &options, &module));
  lucet_linker_release(linker);
  NEED(lucet_region_new(&config, &region));
  NEED(lucet_instance_new(region, module, NULL, NULL, &guest));
  if (!strcmp(arguments[1], "calls"))
    calls();
  else if (!strcmp(arguments[1], "computes"))
    computes();
  else
    everything();
  NEED(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_region_release(region);
  printf("host: done\n");
  return 0;
}
