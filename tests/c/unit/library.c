/* library.c: versions, names, the last error. */
#include "fixture.h"
#include <pthread.h>

static void *other_thread(void *unused) {
  (void)unused;
  return (void *)(uintptr_t)(strstr(lucet_last_error(), "lucet_linker") != NULL);
}

static void names(void) {
  static const char *const traps[] = {"unreachable",
                                      "out of bounds memory access",
                                      "out of bounds table access",
                                      "uninitialized element",
                                      "indirect call type mismatch",
                                      "integer divide by zero",
                                      "integer overflow",
                                      "invalid conversion to integer",
                                      "call stack exhausted",
                                      "host calls nested too deeply",
                                      "bad argument to a host function",
                                      "stopped by a host function",
                                      "unaligned atomic",
                                      "null reference",
                                      "uncaught exception",
                                      "out of system resources",
                                      "expected shared memory"};
  for (lucet_status status = LUCET_OK; status <= LUCET_POISONED; status++) {
    CHECK(lucet_status_name(status) && lucet_status_name(status)[0]);
    for (lucet_status other = LUCET_OK; other < status; other++)
      CHECK(strcmp(lucet_status_name(status), lucet_status_name(other)) != 0);
  }
  CHECK(lucet_status_name(-1) != NULL);
  CHECK(lucet_status_name(LUCET_POISONED + 1) != NULL);
  CHECK(strcmp(lucet_status_name(LUCET_STALE), lucet_status_name(1000)) != 0);
  CONTAINS(lucet_status_name(LUCET_REGION_FULL), "REGION_FULL");

  for (uint32_t trap = LUCET_TRAP_UNREACHABLE; trap <= LUCET_TRAP_UNSHARED_WAIT; trap++)
    CHECK(strcmp(lucet_trap_name(trap), traps[trap - 1]) == 0);
  CHECK(lucet_trap_name(0) != NULL && lucet_trap_name(99) != NULL);
  CHECK(strcmp(lucet_trap_name(99), lucet_trap_name(LUCET_TRAP_RESOURCE)) != 0);
}

/* One sentence of this thread's latest failure; another thread has its own. */
static void last_error(void) {
  pthread_t thread;
  void *seen = NULL;
  FAILS(LUCET_NULL_ARGUMENT, "NULL", lucet_linker_define(NULL, "env", NULL, 0, NULL));
  CONTAINS(lucet_last_error(), "lucet_linker");
  EQUAL(pthread_create(&thread, NULL, other_thread, NULL), 0);
  EQUAL(pthread_join(thread, &seen), 0);
  CHECK(seen == NULL);
  CHECK(strchr(lucet_last_error(), '\n') == NULL);
}

/* NULL is a status, or nothing, for everything: never an abort. */
static void nulls(void) {
  lucet_linker_release(NULL);
  lucet_module_release(NULL);
  lucet_region_release(NULL);
  CHECK(lucet_module_build_id(NULL) == NULL || !lucet_module_build_id(NULL)[0]);
  CHECK(lucet_module_producer(NULL) == NULL || !lucet_module_producer(NULL)[0]);
  EQUAL(lucet_module_import_count(NULL), 0);
  EQUAL(lucet_module_export_count(NULL), 0);
  CHECK(lucet_module_entry(NULL, "sum", 0) == NULL);
  CHECK(lucet_call_instance(NULL) == NULL && lucet_call_data(NULL) == NULL &&
        lucet_call_instance_data(NULL) == NULL);
  STATUS(LUCET_NULL_ARGUMENT, lucet_call_terminate(NULL, 1));
  STATUS(LUCET_NULL_ARGUMENT, lucet_call_trap(NULL, LUCET_TRAP_HOST));
  CHECK(lucet_instance_data(NULL) == NULL);
  EQUAL(lucet_instance_memory(NULL, 0).size, 0);
  STATUS(LUCET_NULL_ARGUMENT, lucet_instance_reset(NULL));
}

int main(void) {
  EQUAL(lucet_version(), LUCET_VERSION);
  EQUAL(LUCET_VERSION, LUCET_VERSION_MAJOR << 16 | LUCET_VERSION_MINOR << 8 | LUCET_VERSION_PATCH);
  CHECK(lucet_last_error() != NULL);
  names();
  last_error();
  nulls();
  return finish();
}
