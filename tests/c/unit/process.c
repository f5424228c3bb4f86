/* process.c: signals of the guests and of the host, threads, fork. */
#include "fixture.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t host_faults;
static volatile uintptr_t nowhere = 16;

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  host_faults = host_faults + ((uintptr_t)info->si_addr == nowhere ? 1 : 100);
  siglongjmp(back, 1);
}

static void set_handler(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  EQUAL(sigaction(signal, &action, NULL), 0);
}

/* A bug of the host's, which its own handler survives. */
static int32_t faulting(lucet_call *call, int32_t value) {
  (void)call;
  if (sigsetjmp(back, 1) == 0) return *(volatile int32_t *)nowhere;
  return value + 1;
}
static int32_t faulting_leaf(lucet_call *call, int32_t value) { return faulting(call, value); }

static lucet_module *imports(void) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_value base = lucet_value_i32(0);
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("act", faulting, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", faulting_leaf, int32_t, int32_t)));
  NEED(lucet_linker_define_global(linker, "env", "base", &base));
  NEED(lucet_linker_trap_missing(linker));
  module = fixture_module("imports", linker);
  lucet_linker_release(linker);
  return module;
}

static void on_term(int signal) { (void)signal; }

static void installing(void) {
  struct sigaction ours, before;
  STATUS(LUCET_NO_SIGNALS, lucet_signals_check());
  STATUS(LUCET_NO_SIGNALS, lucet_signals_remove());
  STATUS(LUCET_BAD_ARGUMENT, lucet_signals_install(0x100));
  CHECK(!lucet_signal_handle(SIGSEGV, NULL, NULL));
  EQUAL(sigaction(SIGSEGV, NULL, &before), 0);
  CHECK(before.sa_sigaction == on_fault);
  OK(lucet_signals_install(0));
  OK(lucet_signals_install(0));
  OK(lucet_signals_check());
  STATUS(LUCET_BAD_STATE, lucet_signals_install(LUCET_SIGNALS_HOST));
  /* Somebody takes the signal away: found, named, and nothing is changed by remove. */
  EQUAL(sigaction(SIGSEGV, &before, &ours), 0);
  FAILS(LUCET_BAD_STATE, "SIGSEGV", lucet_signals_check());
  STATUS(LUCET_BAD_STATE, lucet_signals_remove());
  EQUAL(sigaction(SIGSEGV, &ours, NULL), 0);
  OK(lucet_signals_check());
  OK(lucet_signals_remove());
  EQUAL(sigaction(SIGSEGV, NULL, &before), 0);
  CHECK(before.sa_sigaction == on_fault);
  STATUS(LUCET_NO_SIGNALS, lucet_signals_check());
  signal(SIGTERM, on_term);
  OK(lucet_signals_install(LUCET_SIGNALS_ONSTACK));
  EQUAL(sigaction(SIGTERM, NULL, &before), 0);
  CHECK(before.sa_flags & SA_ONSTACK);
}

static void host_fault(lucet_region *region) {
  lucet_module *module = imports();
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_outcome outcome;
  host_faults = 0;
  if (sigsetjmp(back, 1) == 0) *(volatile int32_t *)nowhere = 1;
  EQUAL(host_faults, 1);
  EQUAL(RUN1(guest, "act", 41), 42);
  EQUAL(host_faults, 2);
  EQUAL(RUN1(guest, "leaf", 7), 8);
  EQUAL(host_faults, 3);
  EQUAL(RUN1(guest, "act", 1), 2);
  EQUAL(host_faults, 4);
  /* and the guest's own faults are still its own */
  OK(lucet_instance_run(guest, "inner_trap", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  EQUAL(host_faults, 4);
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
}

/* Without a handler of the host's, its fault kills the process as ever: of the same signal. */
static void fatal_fault(lucet_region *region) {
  lucet_module *module = imports();
  int status = 0;
  pid_t child;
  (void)region;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    lucet_region *own = NULL;
    lucet_instance *guest = NULL;
    lucet_outcome outcome;
    lucet_value value = lucet_value_i32(1);
    signal(SIGSEGV, SIG_DFL); /* whatever is in the way goes, then ours are put on top again */
    lucet_signals_remove();
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGILL, SIG_DFL);
    if (lucet_signals_install(0) && lucet_signals_check()) _exit(3);
    if (lucet_region_new(NULL, &own) || lucet_instance_new(own, module, NULL, NULL, &guest)) _exit(4);
    lucet_instance_run(guest, "act", &value, 1, &outcome);
    _exit(5);
  }
  EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  lucet_module_release(module);
}

static int child_of_fork(lucet_region *region, const lucet_module *module, lucet_instance *guest) {
  lucet_region *own = NULL;
  lucet_instance *mine = NULL, *other = NULL;
  lucet_outcome outcome;
  lucet_value value;
  lucet_region_stats stats = lucet_region_stats_default();
  uint8_t byte;
  int32_t sum = 0;
  LUCET_ENTRY(add, int32_t, int32_t, int32_t);
  if (lucet_instance_run(guest, "nothing", NULL, 0, &outcome) != LUCET_WRONG_PROCESS) return 10;
  if (outcome.kind != LUCET_NOT_RUN || !strstr(lucet_last_error(), "fork")) return 11;
  if (lucet_instance_reset(guest) != LUCET_WRONG_PROCESS) return 12;
  if (lucet_instance_release(guest) != LUCET_WRONG_PROCESS) return 13;
  if (lucet_instance_read(guest, 0, 0, &byte, 1) != LUCET_WRONG_PROCESS) return 14;
  if (lucet_instance_global_get(guest, "counter", &value) != LUCET_WRONG_PROCESS) return 15;
  if (lucet_instance_new(region, module, NULL, NULL, &other) != LUCET_WRONG_PROCESS) return 16;
  if (lucet_region_get_stats(region, &stats) != LUCET_WRONG_PROCESS) return 17;
  if (lucet_instance_memory(guest, 0).data != NULL) return 18;
  /* Modules and handlers are as good as in the parent: a region of its own is all the child needs. */
  if (lucet_region_new(NULL, &own) || lucet_instance_new(own, module, NULL, NULL, &mine)) return 20;
  if (lucet_instance_run(mine, "trap_unreachable", NULL, 0, &outcome) || outcome.kind != LUCET_TRAPPED)
    return 21;
  /* Typed entries and calls of the host go through a page that the parent's loading has made. */
  if (!LUCET_FIND(add, module, "add", int32_t, int32_t, int32_t) || lucet_instance_reset(mine)) return 23;
  if (add(guest, &sum, 1, 2) != LUCET_NOT_RUN || !strstr(lucet_last_error(), "fork")) return 24;
  if (add(mine, &sum, 20, 22) != LUCET_RETURNED || sum != 42) return 25;
  if (lucet_instance_release(mine)) return 22;
  lucet_region_release(own);
  lucet_region_release(region);
  return 0;
}

static void forking(lucet_region *region, lucet_module *module) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  int status = 0;
  pid_t child;
  EQUAL(RUN2(guest, "add", 1, 2), 3);
  fflush(stdout);
  child = fork();
  if (child == 0) _exit(child_of_fork(region, module, guest));
  EQUAL(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  EQUAL(WEXITSTATUS(status), 0);
  EQUAL(RUN2(guest, "add", 3, 4), 7); /* the child's doings are not the parent's */
  OK(lucet_instance_release(guest));
}

struct work {
  lucet_region *region;
  lucet_module *module;
  lucet_instance *guest;
  int rounds, bad;
};

/* Threads do not use the checks: they count what is bad. */
static void *work(void *data) {
  struct work *mine = data;
  lucet_outcome outcome;
  lucet_value zero = lucet_value_i32(0), outside = lucet_value_i32(INT32_MAX);
  for (int round = 0; round < mine->rounds; round++) {
    lucet_instance *guest = NULL;
    if (lucet_instance_new(mine->region, mine->module, NULL, NULL, &guest)) {
      mine->bad++;
      continue;
    }
    if (lucet_instance_run(guest, "trap_memory", &outside, 1, &outcome) ||
        outcome.detail != LUCET_TRAP_MEMORY)
      mine->bad++;
    if (lucet_instance_reset(guest)) mine->bad++;
    if (round % 8 == 0 && (lucet_instance_run(guest, "trap_stack", &zero, 1, &outcome) ||
                           outcome.detail != LUCET_TRAP_STACK || lucet_instance_keep(guest)))
      mine->bad++;
    if (lucet_instance_run(guest, "count", NULL, 0, &outcome) || outcome.kind != LUCET_RETURNED) mine->bad++;
    if (lucet_instance_release(guest)) mine->bad++;
  }
  if (mine->guest &&
      (lucet_instance_run(mine->guest, "count", NULL, 0, &outcome) || outcome.kind != LUCET_RETURNED))
    mine->bad++;
  lucet_thread_detach();
  lucet_thread_detach();
  if (mine->guest &&
      (lucet_instance_run(mine->guest, "count", NULL, 0, &outcome) || outcome.kind != LUCET_RETURNED))
    mine->bad++;
  return NULL;
}

static void threads(lucet_region *region, lucet_module *module) {
  struct work all[4];
  pthread_t ids[4];
  lucet_instance *moving = fixture_instance(region, module, NULL);
  for (int i = 0; i < 4; i++) {
    all[i] = (struct work){region, module, NULL, 300, 0};
    EQUAL(pthread_create(&ids[i], NULL, work, &all[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    EQUAL(pthread_join(ids[i], NULL), 0);
    EQUAL(all[i].bad, 0);
  }
  /* An instance moves: this thread, another one, this thread. */
  EQUAL(RUN0(moving, "counter_value"), 7);
  all[0] = (struct work){region, module, moving, 0, 0};
  EQUAL(pthread_create(&ids[0], NULL, work, &all[0]), 0);
  EQUAL(pthread_join(ids[0], NULL), 0);
  EQUAL(all[0].bad, 0);
  EQUAL(RUN0(moving, "counter_value"), 9);
  lucet_thread_detach();
  EQUAL(RUN0(moving, "counter_value"), 9);
  OK(lucet_instance_release(moving));
}

static volatile sig_atomic_t delegated;
static void delegating(int signal, siginfo_t *info, void *context) {
  if (lucet_signal_handle(signal, info, context)) {
    delegated = delegated + 1;
    return;
  }
  on_fault(signal, info, context);
}

/* The host handles the signals and asks the library first. */
static void by_host(lucet_region *region, lucet_module *module) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  limits.deadline_ns = UINT64_MAX / 2;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(lucet_signals_remove());
  STATUS(LUCET_NO_SIGNALS, lucet_instance_set_limits(guest, &limits)); /* nobody would keep it */
  limits.deadline_ns = 0;
  OK(lucet_instance_set_limits(guest, &limits));
  set_handler(SIGSEGV, delegating);
  set_handler(SIGBUS, delegating);
  set_handler(SIGILL, delegating);
  OK(lucet_signals_install(LUCET_SIGNALS_HOST));
  OK(lucet_signals_check());
  OK(lucet_instance_run(guest, "trap_unreachable", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "trap_memory", 1, -1, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "trap_stack", 1, 0, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
  EQUAL(delegated, 3);
  host_faults = 0;
  if (sigsetjmp(back, 1) == 0) *(volatile int32_t *)nowhere = 1;
  EQUAL(host_faults, 1);
  EQUAL(delegated, 3);
  OK(lucet_instance_release(guest));
  signal(SIGBUS, SIG_DFL);
  FAILS(LUCET_BAD_STATE, "SIGBUS", lucet_signals_check());
  OK(lucet_signals_remove());
}

int main(void) {
  lucet_region_config config = lucet_region_config_default();
  lucet_region *region = NULL;
  lucet_module *module;
  set_handler(SIGSEGV, on_fault);
  installing();
  config.instances = 8;
  NEED(lucet_region_new(&config, &region));
  module = fixture_module("everything", NULL);
  host_fault(region);
  fatal_fault(region);
  forking(region, module);
  threads(region, module);
  by_host(region, module);
  lucet_module_release(module);
  lucet_region_release(region);
  return finish();
}
