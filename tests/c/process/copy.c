/* copy.c: a library that has liblucet inside, as a server's module has that links it statically: two of them
 * in one process are two copies of everything. Exports one function; the rest is hidden. */
#include "copies.h"
#include <lucet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static lucet_module *module;
static lucet_region *region;
static lucet_instance *guest;
static int (*inner)(void);
/* Written before `spins` is set, which the killer waits for. */
static lucet_kill_handle victim;
static atomic_int spins;

static int32_t ask(lucet_call *call, int32_t what) {
  (void)call;
  if (what == 1) return inner();          /* the other copy's guest, on top of this one */
  if (what == 2) *(volatile int *)16 = 1; /* a fault of the host's, in a host function */
  return what;
}
static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  return value + 1;
}

static int failed(const char *what) {
  printf("%s: %s\n", what, lucet_last_error());
  return -1;
}

static int run(const char *name, int argument, int arguments) {
  lucet_value value = lucet_value_i32(argument);
  lucet_outcome outcome;
  if (lucet_instance_run(guest, name, &value, (size_t)arguments, &outcome)) return failed(name);
  if (outcome.kind == LUCET_RETURNED) return outcome.value_count ? outcome.values[0].of.i32 : 0;
  if (lucet_instance_reset(guest)) return failed("reset");
  return outcome.kind == LUCET_TRAPPED ? 1000 + (int)outcome.detail : 2000 + (int)outcome.detail;
}

static int start(const char *path) {
  lucet_linker *linker = NULL;
  if (lucet_linker_new(&linker)) return failed("linker");
  if (LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t),
                   LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)))
    return failed("define");
  if (lucet_module_load_file(path, linker, NULL, &module)) return failed("module");
  lucet_linker_release(linker);
  return 0;
}

static int open_region(void) {
  if (lucet_region_new(NULL, &region)) return failed("region");
  return lucet_instance_new(region, module, NULL, NULL, &guest) ? failed("instance") : 0;
}

static int spin_until(uint64_t nanoseconds) {
  lucet_limits limits = lucet_limits_default();
  struct timespec now;
  int outcome;
  clock_gettime(CLOCK_MONOTONIC, &now);
  limits.deadline_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + nanoseconds;
  if (lucet_instance_set_limits(guest, &limits)) return failed("limits");
  outcome = run("spin", 0, 0);
  limits.deadline_ns = 0;
  if (lucet_instance_set_limits(guest, &limits)) return failed("limits");
  return outcome;
}

static int stop(void) {
  if (lucet_instance_release(guest)) return failed("release");
  lucet_region_release(region);
  lucet_module_release(module);
  return 0;
}

static int spin(void) {
  int outcome;
  if (lucet_instance_kill_handle(guest, &victim)) return failed("handle");
  atomic_store(&spins, 1);
  outcome = run("spin", 0, 0);
  atomic_store(&spins, 0);
  return outcome;
}

__attribute__((visibility("default"))) int copy(enum copy what, const void *argument) {
  union {
    const void *object;
    int (*function)(void);
  } pointer = {argument};
  switch (what) {
  case COPY_START:
    return start(argument);
  case COPY_INSTALL:
    return lucet_signals_install(0) ? failed("install") : 0;
  case COPY_CHECK:
    return lucet_signals_check();
  case COPY_REMOVE:
    return lucet_signals_remove();
  case COPY_OPEN:
    return open_region();
  case COPY_VALUE:
    return run("value", 0, 0);
  case COPY_MEMORY:
    return run("outside", 0, 0);
  case COPY_STACK:
    return run("deep", 0, 1);
  case COPY_UNREACHABLE:
    return run("unreachable", 0, 0);
  case COPY_DEADLINE:
    return spin_until(1000000);
  case COPY_SPIN:
    return spin();
  case COPY_KILL:
    return atomic_load(&spins) ? (int)lucet_kill(victim, 1) : -1;
  case COPY_INNER:
    inner = pointer.function;
    return run("ask", 1, 1);
  case COPY_HOST_FAULT:
    return run("ask", 2, 1);
  case COPY_ABANDON:
    return lucet_instance_abandon(guest) || lucet_instance_reset(guest) ? failed("abandon") : 0;
  case COPY_STOP:
    return stop();
  }
  return -2;
}
