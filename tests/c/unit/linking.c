/* linking.c: an instance that imports memory, table, globals, tag and functions of another one; what ends
 * either ends both; who keeps whom; what becomes of references to instances that are gone. */
#include "fixture.h"
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int suspend_status;

static void pause_guest(lucet_call *call) { suspend_status = lucet_call_suspend(call, 1); }

struct group {
  lucet_region *region;
  lucet_module *library_module, *program_module;
  lucet_instance *library, *program;
};

static lucet_linker *linker_with(const lucet_instance *library) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  if (library) NEED(lucet_linker_define_instance(linker, "library", library));
  return linker;
}

static lucet_instance *make_library(struct group *group) {
  static const lucet_host_function rows[] = {LUCET_HOST("pause", pause_guest, void)};
  lucet_linker *linker = linker_with(NULL);
  NEED(lucet_linker_define(linker, "host", rows, 1, NULL));
  group->library_module = fixture_module("linking_library", linker);
  lucet_linker_release(linker);
  return fixture_instance(group->region, group->library_module, NULL);
}

static void link_program(struct group *group) {
  lucet_linker *linker = linker_with(group->library);
  group->program_module = fixture_module("linking_program", linker);
  lucet_linker_release(linker);
  group->program = fixture_instance(group->region, group->program_module, NULL);
}

static struct group new_group(void) {
  struct group group;
  memset(&group, 0, sizeof group);
  group.region = fixture_region(3);
  group.library = make_library(&group);
  link_program(&group);
  return group;
}

static void end_group(struct group *group) {
  if (group->program) OK(lucet_instance_release(group->program));
  lucet_module_release(group->program_module);
  OK(lucet_instance_release(group->library));
  lucet_module_release(group->library_module);
  lucet_region_release(group->region);
}

static void memories(void) {
  struct group group = new_group();
  lucet_value value;
  const uint8_t *view;
  EQUAL(RUN1(group.program, "peek", 8), 42); /* its own data, in the other's memory */
  EQUAL(RUN1(group.library, "peek", 8), 42);
  lucet_outcome outcome;
  OK(run_i32(group.program, "poke", 2, 65532, -5, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(RUN1(group.library, "peek", 65532), -5);
  OK(run_i32(group.program, "peek", 1, 65533, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_keep(group.program));
  EQUAL(RUN1(group.program, "grow", 1), 1); /* seen by both, whoever grows */
  EQUAL(RUN0(group.library, "size"), 2);
  EQUAL(RUN1(group.library, "grow", 2), 2);
  EQUAL(RUN0(group.program, "size"), 4);
  EQUAL(RUN1(group.program, "grow", 1), -1);
  EQUAL(RUN1(group.program, "peek", 4 * 65536 - 4), 0);
  OK(run_i32(group.program, "fill", 2, 100000, 100000, &outcome));
  EQUAL(RUN1(group.library, "peek", 150000), 0x01010101);
  OK(run_i32(group.program, "fill", 2, 200000, 100000, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_view(group.program, 0, 8, 4, &view)); /* the host, too */
  EQUAL(view[0], 42);
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(group.program, 0, 4 * 65536, 1, &view));
  OK(lucet_instance_write(group.program, 0, 16, "word", 4));
  EQUAL(RUN1(group.library, "peek", 16), 0x64726f77);
  EQUAL(RUN1(group.program, "count", 5), 15);
  EQUAL(RUN0(group.library, "count"), 15);
  OK(lucet_instance_global_get(group.program, "counter again", &value));
  EQUAL(value.of.i32, 15);
  value.of.i32 = 20;
  OK(lucet_instance_global_set(group.program, "counter again", &value));
  EQUAL(RUN0(group.library, "count"), 20);
  OK(lucet_instance_run(group.program, "constant", NULL, 0, &outcome));
  EQUAL(outcome.values[0].of.i64, 77);
  end_group(&group);
}

static void tables(void) {
  struct group group = new_group();
  lucet_outcome outcome;
  lucet_value value;
  EQUAL(RUN2(group.program, "indirect", 0, 21), 42);
  EQUAL(RUN2(group.program, "indirect", 1, 14), 42); /* its own function, in the other's table */
  EQUAL(RUN2(group.library, "call", 1, 5), 15);
  EQUAL(RUN2(group.program, "tail", 0, 4), 8);
  EQUAL(RUN2(group.program, "tail", 1, 4), 12);
  EQUAL(RUN2(group.program, "own", 0, 3), 6);
  EQUAL(RUN2(group.program, "own", 1, 3), 9);
  OK(run_i32(group.program, "wrong", 1, 0, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_CALL_TYPE);
  OK(lucet_instance_keep(group.program));
  OK(run_i32(group.program, "indirect", 2, 3, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_NULL_CALL);
  OK(lucet_instance_keep(group.program));
  OK(run_i32(group.program, "indirect", 2, 4, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_TABLE);
  OK(lucet_instance_keep(group.program));
  EQUAL(RUN1(group.program, "elements", 2), 6);
  OK(lucet_instance_run(group.program, "init", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(RUN2(group.library, "call", 0, 5), 15);
  EQUAL(RUN2(group.library, "call", 1, 5), 10);
  OK(run_i32(group.library, "call", 2, 2, 0, &outcome)); /* traps in the program: both are stopped */
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  STATUS(LUCET_NEEDS_RESET, run_i32(group.program, "size", 0, 0, 0, &outcome));
  OK(lucet_instance_keep(group.library));
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_run(group.program, "copy", NULL, 0, &outcome));
  EQUAL(RUN2(group.library, "call", 2, 5), 15);
  EQUAL(RUN2(group.library, "call", 3, 5), 10);
  OK(run_i32(group.program, "clear", 1, 3, 0, &outcome));
  OK(run_i32(group.library, "call", 2, 3, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_NULL_CALL);
  OK(lucet_instance_keep(group.library));
  EQUAL(RUN1(group.program, "given", 1), 14);
  EQUAL(RUN1(group.program, "given", 0), 21);
  EQUAL(RUN1(group.program, "favourite", 8), 16);
  OK(lucet_instance_table_get(group.library, "table", 0,
                              &value)); /* the program's: the host moves it about, and cannot call it */
  FAILS(LUCET_BAD_ARGUMENT, "another instance",
        lucet_instance_call_funcref(group.library, value.of.funcref, NULL, 0, &outcome));
  OK(lucet_instance_table_set(group.library, "table", 3, &value));
  EQUAL(RUN2(group.library, "call", 3, 5), 15);
  value.of.funcref.opaque = UINT64_MAX;
  STATUS(LUCET_BAD_ARGUMENT, lucet_instance_table_set(group.library, "table", 3, &value));
  end_group(&group);
}

static void calls(void) {
  struct group group = new_group();
  lucet_outcome outcome;
  lucet_exception exception;
  EQUAL(RUN1(group.program, "double", 21), 42);
  EQUAL(RUN0(group.program, "many"), 2 + 3 + 4 + 5 + 6);
  OK(lucet_instance_run(group.program, "trap", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  CONTAINS(describe(group.program), "unreachable");
  OK(lucet_instance_keep(group.program));
  OK(run_i32(group.program, "double", 1, 1, 0, &outcome)); /* the library has not been forgiven */
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_outcome(group.library, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_keep(group.library));
  EQUAL(RUN1(group.program, "catch", 9), 9);
  EQUAL(RUN0(group.program, "catch_secret"), 1);
  EQUAL(RUN0(group.library, "size"), 1); /* still ready */
  OK(lucet_instance_run(group.program, "throw", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
  memset(&exception, 0, sizeof exception);
  exception.struct_size = sizeof exception;
  OK(lucet_instance_exception(group.program, &exception));
  EQUAL(exception.value_count, 1);
  EQUAL(exception.values[0].of.i32, 5);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_run(group.program, "deep", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_keep(group.library));
  OK(lucet_instance_run(group.program, "pause", NULL, 0,
                        &outcome)); /* nobody waits in the middle of two instances */
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(suspend_status, LUCET_BAD_STATE);
  OK(lucet_instance_run(group.program, "prepare", NULL, 0, &outcome));
  EQUAL(RUN1(group.program, "mutual", 5), 5);
  OK(run_i32(group.program, "mutual", 1, 1000, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_DEPTH);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_keep(group.library));
  EQUAL(RUN1(group.program, "mutual", 3), 3);
  OK(lucet_instance_run(group.library, "pause", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  OK(run_i32(group.program, "double", 1, 1, 0, &outcome)); /* it waits */
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_keep(group.program));
  OK(lucet_instance_resume(group.library, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(RUN1(group.program, "double", 21), 42);
  end_group(&group);
}

struct killer {
  lucet_kill_handle handle;
  int answer;
};

static void *kill_soon(void *argument) {
  struct killer *killer = argument;
  usleep(20000);
  killer->answer = (int)lucet_kill(killer->handle, 99);
  return NULL;
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Runs the program into the library, which spins there until it is stopped. Tells whether it was, and lets it
 * go on: on a busy machine what is to stop it may come before it is entered, and stops the program alone.
 * `why`: what ends the program; `of_library`: the library. */
static int spins_and_stops(struct group *group, uint32_t why, uint32_t of_library) {
  lucet_outcome outcome;
  lucet_status was_stopped;
  OK(lucet_instance_run(group->program, "spin", NULL, 0, &outcome));
  while (outcome.kind == LUCET_PREEMPTED)
    OK(lucet_instance_resume(group->program, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, why);
  if (why == LUCET_STOP_KILL) EQUAL(outcome.token, 99);
  OK(lucet_instance_outcome(group->library, &outcome));
  was_stopped = lucet_instance_keep(group->library);
  if (was_stopped == LUCET_OK) OUTCOME(outcome, LUCET_TERMINATED, of_library);
  EQUAL(RUN0(group->library, "size"), 1);
  OK(lucet_instance_reset(group->program));
  return was_stopped == LUCET_OK;
}

static int killed(struct group *group, lucet_instance *victim) {
  struct killer killer;
  pthread_t thread;
  int was_stopped;
  OK(lucet_instance_kill_handle(victim, &killer.handle));
  if (pthread_create(&thread, NULL, kill_soon, &killer)) exit(1);
  was_stopped =
      spins_and_stops(group, LUCET_STOP_KILL, victim == group->library ? LUCET_STOP_KILL : LUCET_STOP_LINKED);
  pthread_join(thread, NULL);
  return was_stopped;
}

static int limited(struct group *group, lucet_limits limits, uint32_t why) {
  int was_stopped;
  OK(lucet_instance_set_limits(group->program, &limits));
  was_stopped = spins_and_stops(group, why, LUCET_STOP_LINKED);
  limits = lucet_limits_default();
  OK(lucet_instance_set_limits(group->program, &limits));
  return was_stopped;
}

static int at_a_deadline(struct group *group) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = now() + 20000000;
  return limited(group, limits, LUCET_STOP_DEADLINE);
}

static void stops(void) {
  struct group group = new_group();
  lucet_limits limits = lucet_limits_default();
  while (!killed(&group, group.program)) {
  }
  while (!killed(&group, group.library)) {
  }
  while (!at_a_deadline(&group)) {
  }
  limits.slice_ns = 2000000; /* cannot be preempted in the library */
  limits.nested_ns = 5000000;
  CHECK(limited(&group, limits, LUCET_STOP_NESTED));
  limits = lucet_limits_default();
  limits.cpu_ns = 10000000;
  CHECK(limited(&group, limits, LUCET_STOP_CPU));

  limits = lucet_limits_default();
  limits.slice_ns = 2000000; /* the library's slices do not count when it is called by another */
  OK(lucet_instance_set_limits(group.library, &limits));
  while (!at_a_deadline(&group)) {
  }
  end_group(&group);
}

static void owners(void) {
  struct group group = new_group();
  lucet_linker *linker = linker_with(group.library);
  lucet_module *module = NULL;
  lucet_outcome outcome;
  EQUAL(RUN1(group.program, "count", 1), 11);
  FAILS(LUCET_LINKED, "1 linked modules import", lucet_instance_reset(group.library));
  STATUS(LUCET_LINKED, lucet_instance_release(group.library));
  EQUAL(RUN0(group.library, "count"), 11); /* nothing has changed */
  OK(lucet_instance_reset(group.program));
  OK(run_i32(group.program, "poke", 2, 0, 1, &outcome)); /* instantiates it again */
  EQUAL(RUN0(group.library, "count"), 11);
  EQUAL(RUN2(group.library, "call", 1, 5), 15);
  OK(lucet_instance_reset(group.program));
  OK(run_i32(group.library, "call", 2, 1, 5, &outcome)); /* a function of an instance that has been reset */
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_keep(group.library));
  EQUAL(RUN1(group.program, "double", 4), 8);
  EQUAL(RUN2(group.library, "call", 1, 5), 15);
  OK(lucet_instance_release(group.program));
  group.program = fixture_instance(group.region, group.program_module, NULL); /* in the same slot */
  OK(run_i32(group.library, "call", 2, 1, 5, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_keep(group.library));
  OK(lucet_instance_release(group.program));
  group.program = NULL;
  STATUS(LUCET_LINKED, lucet_instance_reset(group.library)); /* the module could make another */
  lucet_module_release(group.program_module);
  group.program_module = NULL;
  OK(lucet_instance_reset(group.library)); /* the linker keeps nothing */
  EQUAL(RUN0(group.library, "count"), 10);
  OK(lucet_module_load_file(guest_path("linking_program"), linker, NULL, &module));
  lucet_module_release(module);
  OK(lucet_instance_release(group.library));
  FAILS(LUCET_STALE, "released",
        lucet_module_load_file(guest_path("linking_program"), linker, NULL, &module));
  STATUS(LUCET_STALE, lucet_linker_define_instance(linker, "again", group.library));
  lucet_linker_release(linker);
  group.library = fixture_instance(group.region, group.library_module, NULL);
  end_group(&group);
}

/* What one instance throws and another catches is kept by neither: there are many more than either has room
 * for. */
static void exceptions_pass(void) {
  struct group group = new_group();
  for (int i = 0; i < 3000 && !harness_failures; i++)
    EQUAL(RUN1(group.program, "catch", i), i);
  end_group(&group);
}

/* In a child there is nothing of the parent's instances to link to, nor to make an instance of what was
 * linked to them. */
static void children_link_to_nothing(void) {
  struct group group = new_group();
  lucet_linker *linker = linker_with(group.library);
  int status = -1;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    lucet_module *module = NULL;
    lucet_region *region = NULL;
    lucet_instance *guest = NULL;
    if (lucet_module_load_file(guest_path("linking_program"), linker, NULL, &module) != LUCET_WRONG_PROCESS)
      _exit(2);
    if (lucet_region_new(NULL, &region)) _exit(3);
    _exit(lucet_instance_new(region, group.program_module, NULL, NULL, &guest) == LUCET_WRONG_PROCESS ? 0
                                                                                                      : 4);
  }
  EQUAL(waitpid(child, &status, 0), child);
  EQUAL(status, 0);
  lucet_linker_release(linker);
  end_group(&group);
}

/* An importer of an importer: what it gets is the first one's. */
static void chains(void) {
  struct group group = new_group();
  lucet_linker *linker = linker_with(group.library);
  lucet_module *module = NULL;
  lucet_instance *second;
  OK(lucet_linker_define_instance(linker, "program", group.program));
  module = fixture_module("linking_second", linker);
  second = fixture_instance(group.region, module, NULL);
  EQUAL(RUN1(second, "peek", 8), 0); /* the program has not been started */
  EQUAL(RUN1(second, "mutual", 0), 0);
  EQUAL(RUN1(second, "peek", 8), 42);
  EQUAL(RUN0(second, "count"), 10);
  STATUS(LUCET_LINKED, lucet_instance_reset(group.program));
  STATUS(LUCET_LINKED, lucet_instance_release(group.program));
  lucet_module_release(module);
  OK(lucet_instance_release(second));
  OK(lucet_instance_reset(group.program));
  lucet_linker_release(linker);
  end_group(&group);
}

static unsigned problems;
static void problem(void *data, const char *text, size_t length) {
  (void)data;
  if (length > 16 && !strncmp(text, "import \"library\"", 16)) problems++;
}

static void wrong(void) {
  struct group group = new_group();
  lucet_linker *linker = linker_with(group.library);
  lucet_module *module = NULL;
  lucet_load_options options = lucet_load_options_default();
  lucet_value value = lucet_value_i32(1);
  options.problem = problem;
  STATUS(LUCET_TYPE_MISMATCH, lucet_module_load_file(guest_path("linking_wrong"), linker, &options, &module));
  EQUAL(problems, 8);
  FAILS(LUCET_BAD_ARGUMENT, "defined already",
        lucet_linker_define_instance(linker, "library", group.library));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_instance(NULL, "library", group.library));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_instance(linker, NULL, group.library));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_instance(linker, "library", NULL));
  STATUS(LUCET_STALE,
         lucet_linker_define_instance(linker, "other", (const lucet_instance *)(uintptr_t)12345));
  lucet_linker_release(linker);
  linker = linker_with(NULL);
  OK(lucet_linker_define_global(linker, "library", "peek", &value)); /* all or none */
  FAILS(LUCET_BAD_ARGUMENT, "peek", lucet_linker_define_instance(linker, "library", group.library));
  STATUS(LUCET_NOT_FOUND, lucet_module_load_file(guest_path("linking_program"), linker, NULL, &module));
  lucet_linker_release(linker);
  end_group(&group);
}

int main(void) {
  memories();
  tables();
  calls();
  stops();
  owners();
  exceptions_pass();
  children_link_to_nothing();
  chains();
  wrong();
  return finish();
}
