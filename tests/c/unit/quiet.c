/* quiet.c: what a host does not notice of limits and kills: runs with a deadline make no system call once the timer is set, and a kill
 * interrupts no system call of a host function. */
#include "fixture.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum ask { ANSWER, SLEEP };

static lucet_region *region;
static lucet_module *module;
static atomic_int sleeping;
static int slept, alarm_clock;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sleeps until the killer has killed, however long that takes. */
static int32_t ask(lucet_call *call, int32_t what) {
  uint64_t rings;
  (void)call;
  if (what == SLEEP) {
    atomic_store(&sleeping, 1);
    slept = read(alarm_clock, &rings, sizeof rings) == sizeof rings ? 0 : errno;
  }
  return what;
}

/* From now on the kernel kills the process for any system call but exit. */
static int forbid_system_calls(void) {
  struct sock_filter rows[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const struct sock_fprog program = {sizeof rows / sizeof rows[0], rows};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int run_without_system_calls(void) {
  const uint64_t hour = UINT64_C(3600000000000);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_limits limits = lucet_limits_default();
  const lucet_func *count = NULL;
  lucet_value five = lucet_value_i32(5);
  lucet_outcome outcome;
  int32_t answer = 0;
  LUCET_ENTRY(entry, int32_t, int32_t);
  if (lucet_module_func(module, "count", &count) ||
      !LUCET_FIND(entry, module, "count", int32_t, int32_t))
    return 2;
  limits.deadline_ns = now_ns() + hour;
  if (lucet_instance_set_limits(guest, &limits)) return 3;
  /* Prepares the thread, and sets the timer. */
  if (lucet_instance_call(guest, count, &five, 1, &outcome)) return 4;
  if (forbid_system_calls()) return 5;
  for (int i = 0; i < 1000; i++) {
    /* Each request has its own. */
    limits.deadline_ns = now_ns() + hour;
    if (lucet_instance_set_limits(guest, &limits)) return 6;
    if (lucet_instance_call(guest, count, &five, 1, &outcome) || outcome.kind != LUCET_RETURNED) return 7;
    if (run_i32(guest, "ask", 1, ANSWER, 0, &outcome) || outcome.kind != LUCET_RETURNED) return 8;
    if (entry(guest, &answer, 5) != LUCET_RETURNED || answer != 5) return 9;
  }
  return 0;
}

static void deadlines_make_no_system_calls(void) {
  int status = -1;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    lucet_region_release(region); /* the parent's */
    region = fixture_region(2);
    /* Not exit_group, which is one too many. */
    syscall(SYS_exit, run_without_system_calls());
  }
  EQUAL(waitpid(child, &status, 0), child);
  EQUAL(status, 0);
}

static void *kill_it(void *handle) {
  const struct timespec moment = {0, 5000000};
  const uint64_t one = 1;
  while (!atomic_load(&sleeping))
    nanosleep(&moment, NULL);
  nanosleep(&moment, NULL); /* now it is in the system call */
  EQUAL(lucet_kill(*(lucet_kill_handle *)handle, 9), LUCET_KILL_WHEN_HOST_RETURNS);
  nanosleep(&moment, NULL); /* a signal would have come */
  EQUAL(write(alarm_clock, &one, sizeof one), (ssize_t)sizeof one);
  return NULL;
}

static void kills_interrupt_no_host_function(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_kill_handle handle;
  lucet_outcome outcome;
  pthread_t thread;
  alarm_clock = eventfd(0, EFD_CLOEXEC);
  OK(lucet_instance_kill_handle(guest, &handle));
  EQUAL(pthread_create(&thread, NULL, kill_it, &handle), 0);
  OK(run_i32(guest, "ask", 1, SLEEP, 0, &outcome));
  pthread_join(thread, NULL);
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  EQUAL(slept, 0);
  close(alarm_clock);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t)));
  module = fixture_module("stopping", linker);
  lucet_linker_release(linker);
  region = fixture_region(2);
  deadlines_make_no_system_calls();
  kills_interrupt_no_host_function();
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
