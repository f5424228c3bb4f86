/* forks.c: servers that fork. Modules are loaded before, regions made after; a child keeps times, slices and
 * kills of its own; the parent's guests are nothing to it, and the other way round. */
#include "fixture.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static lucet_module *module;
static lucet_kill_handle parents;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static lucet_status limit(lucet_instance *guest, uint64_t deadline, uint64_t cpu, uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = deadline;
  limits.cpu_ns = cpu;
  limits.slice_ns = slice;
  return lucet_instance_set_limits(guest, &limits);
}

static lucet_region *fork_in_call;
static pid_t forked;

/* A host function that forks, as one that starts a program: the child does not return from it. */
static int32_t ask(lucet_call *call, int32_t what) {
  lucet_instance *guest = NULL;
  lucet_outcome outcome;
  (void)call;
  if (what != 1) return what;
  forked = fork();
  if (forked) return what;
  if (lucet_instance_new(fork_in_call, module, NULL, NULL, &guest) != LUCET_WRONG_PROCESS) _exit(2);
  if (lucet_region_new(NULL, &fork_in_call)) _exit(3);
  if (lucet_instance_new(fork_in_call, module, NULL, NULL, &guest)) _exit(4);
  if (limit(guest, now_ns() + 2000000, 0, 0)) _exit(5);
  if (lucet_instance_run(guest, "spin", NULL, 0, &outcome)) _exit(6);
  _exit(outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_DEADLINE ? 0 : 7);
}
static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  return value + 1;
}

/* In a child: everything that depends on who the thread and the process are. */
static int child(void) {
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_outcome outcome;
  lucet_value many = lucet_value_i32(10000000);
  lucet_kill_handle mine;
  uint64_t at;
  unsigned slices = 0;
  if (lucet_kill(parents, 1) != LUCET_KILL_FINISHED) return 1;
  if (lucet_region_new(NULL, &region)) return 2;
  if (lucet_instance_new(region, module, NULL, NULL, &guest)) return 3;
  at = now_ns() + 2000000;
  if (limit(guest, at, 0, 0) || lucet_instance_run(guest, "spin", NULL, 0, &outcome)) return 4;
  if (outcome.detail != LUCET_STOP_DEADLINE || now_ns() < at) return 5;
  if (lucet_instance_reset(guest) || limit(guest, 0, 2000000, 0)) return 6;
  if (lucet_instance_run(guest, "spin", NULL, 0, &outcome) || outcome.detail != LUCET_STOP_CPU) return 7;
  if (lucet_instance_reset(guest) || limit(guest, 0, 0, 500000)) return 8;
  if (lucet_instance_run(guest, "count", &many, 1, &outcome)) return 9;
  for (; outcome.kind == LUCET_PREEMPTED; slices++)
    if (lucet_instance_resume(guest, NULL, 0, &outcome)) return 10;
  if (outcome.kind != LUCET_RETURNED || !slices || outcome.values[0].of.i32 != 10000000) return 11;
  if (lucet_instance_kill_handle(guest, &mine) || lucet_kill(mine, 5) != LUCET_KILL_NOT_RUNNING) return 12;
  if (limit(guest, 0, 0, 0) || lucet_instance_run(guest, "spin", NULL, 0, &outcome)) return 13;
  if (outcome.detail != LUCET_STOP_KILL || outcome.token != 5) return 14;
  if (lucet_instance_release(guest)) return 15;
  lucet_region_release(region);
  return 0;
}

static void ends_well(pid_t child) {
  int status = 0;
  EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  EQUAL(WEXITSTATUS(status), 0);
}

/* The parent's thread is prepared, its timer set; a child of the child inherits as much. */
static void a_child_has_times_of_its_own(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  pid_t first;
  OK(limit(guest, now_ns() + 300000000, 0, 0));
  EQUAL(RUN0(guest, "value"), 42); /* the timer is set for 300 ms later */
  OK(lucet_instance_kill_handle(guest, &parents));
  fflush(stdout);
  first = fork();
  if (first == 0) {
    int failed = child();
    int status = 0;
    pid_t second;
    if (failed) _exit(failed);
    second = fork();
    if (second == 0) _exit(child());
    if (waitpid(second, &status, 0) != second || status) _exit(100);
    _exit(0);
  }
  ends_well(first);
  /* Nobody has killed the parent's guest, and its deadline has passed. */
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OK(lucet_instance_release(guest));
}

static void in_a_host_function(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  fork_in_call = region;
  fflush(stdout);
  EQUAL(RUN1(guest, "ask", 1), 1);
  ends_well(forked);
  EQUAL(RUN0(guest, "value"), 42);
  OK(lucet_instance_release(guest));
}

static atomic_ulong victims[2];
static atomic_int over;

static void *killer(void *nothing) {
  unsigned random = 12345;
  while (!atomic_load(&over)) {
    lucet_kill_handle victim = {{atomic_load(&victims[0]), atomic_load(&victims[1])}};
    struct timespec moment = {0, 0};
    random = random * 1103515245u + 12345u;
    moment.tv_nsec = (long)(random >> 16) % 300000;
    nanosleep(&moment, NULL);
    lucet_kill(victim, 7);
  }
  return nothing;
}

/* A worker of a server that forks: requests with everything that can happen to them, for a while. */
static int worker(unsigned number) {
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_outcome outcome;
  lucet_value many = lucet_value_i32(300000), zero = lucet_value_i32(0);
  uint64_t end = now_ns() + 700000000;
  pthread_t thread;
  unsigned ended[8] = {0};
  if (lucet_region_new(NULL, &region)) return 2;
  if (pthread_create(&thread, NULL, killer, NULL)) return 3;
  for (unsigned i = number; now_ns() < end || i < number + 40; i++) {
    lucet_kill_handle victim;
    lucet_status status;
    if (lucet_instance_new(region, module, NULL, NULL, &guest)) return 4;
    if (lucet_instance_kill_handle(guest, &victim)) return 5;
    if (i % 5 == 0 && limit(guest, now_ns() + 300000, 0, 0)) return 6;
    if (i % 5 == 1 && limit(guest, 0, 400000, 0)) return 7;
    if (i % 5 == 2 && limit(guest, now_ns() + 60000000000u, 0, 500000)) return 8;
    if (i % 5 == 3) {
      atomic_store(&victims[0], victim.opaque[0]);
      atomic_store(&victims[1], victim.opaque[1]);
    }
    status = i % 5 == 2 ? lucet_instance_run(guest, "count", &many, 1, &outcome)
             : i % 5 == 4
                 ? lucet_instance_run(guest, i % 2 ? "unreachable" : "deep", &zero, i % 2 ? 0 : 1, &outcome)
                 : lucet_instance_run(guest, "spin", NULL, 0, &outcome);
    while (!status && outcome.kind == LUCET_PREEMPTED)
      status = lucet_instance_resume(guest, NULL, 0, &outcome);
    if (status) return 9;
    if (i % 5 == 2 ? outcome.kind != LUCET_RETURNED
                   : outcome.kind != (i % 5 == 4 ? (uint32_t)LUCET_TRAPPED : (uint32_t)LUCET_TERMINATED))
      return 10;
    if (i % 5 == 0 && outcome.detail != LUCET_STOP_DEADLINE) return 11;
    if (i % 5 == 1 && outcome.detail != LUCET_STOP_CPU) return 12;
    if (i % 5 == 3 && (outcome.detail != LUCET_STOP_KILL || outcome.token != 7)) return 13;
    if (lucet_instance_release(guest)) return 14;
    ended[i % 5]++;
  }
  atomic_store(&over, 1);
  pthread_join(thread, NULL);
  for (unsigned i = 0; i < 5; i++)
    if (!ended[i]) return 15;
  lucet_region_release(region);
  return 0;
}

static void eight_workers(void) {
  pid_t workers[8];
  fflush(stdout);
  for (unsigned i = 0; i < 8; i++) {
    workers[i] = fork();
    if (workers[i] == 0) _exit(worker(i));
  }
  for (unsigned i = 0; i < 8; i++)
    ends_well(workers[i]);
}

/* Cores and children do not get what guests have in their memory. */
static void nothing_is_dumped_or_inherited(lucet_region *region) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  uintptr_t memory = (uintptr_t)lucet_instance_memory(guest, 0).data;
  char line[4096];
  int inside = 0, seen = 0;
  FILE *maps = fopen("/proc/self/smaps", "r");
  NEED(!maps);
  while (fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = from <= memory && memory < to;
    if (inside && !strncmp(line, "VmFlags:", 8)) {
      CHECK(strstr(line, " dd") != NULL);
      CHECK(strstr(line, " dc") != NULL);
      seen++;
    }
  }
  fclose(maps);
  EQUAL(seen, 1);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_linker *linker = NULL;
  lucet_region *region;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  module = fixture_module("ways", linker);
  lucet_linker_release(linker);
  NEED(lucet_signals_install(0));
  eight_workers(); /* before the parent has any region, as most servers do */
  region = fixture_region(4);
  a_child_has_times_of_its_own(region);
  in_a_host_function(region);
  nothing_is_dumped_or_inherited(region);
  eight_workers(); /* and after */
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
