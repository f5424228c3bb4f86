/* confined.c: hosts that live under restrictions: no new executable pages, little address space, a full queue
 * of signals, blocked signals, small stacks, a shadow stack. Each in a process of its own. */
#include "fixture.h"
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int32_t ask(lucet_call *call, int32_t what) {
  lucet_outcome outcome;
  lucet_value zero = lucet_value_i32(0);
  if (what == 1) return lucet_call_run(call, "value", NULL, 0, &outcome);
  if (what == 2) return lucet_call_run(call, "ask", &zero, 1, &outcome);
  return what + 1;
}
static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  return value + 1;
}

static lucet_module *load(void) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", ask, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  module = fixture_module("ways", linker);
  lucet_linker_release(linker);
  return module;
}

struct guest {
  lucet_module *module;
  lucet_region *region;
  lucet_instance *instance;
};

static lucet_instance *instance_that_waits;

static struct guest guest(void) {
  struct guest guest;
  guest.module = load();
  guest.region = fixture_region(4);
  guest.instance = fixture_instance(guest.region, guest.module, NULL);
  return guest;
}

static void let_go(struct guest *guest) {
  OK(lucet_instance_release(guest->instance));
  lucet_module_release(guest->module);
  lucet_region_release(guest->region);
}

/* Most of what guests can do, on this thread. */
static void exercise(lucet_instance *instance) {
  lucet_limits limits = lucet_limits_default();
  lucet_value zero = lucet_value_i32(0);
  lucet_outcome outcome;
  unsigned slices = 0;
  EQUAL(RUN0(instance, "value"), 42);
  EQUAL(RUN1(instance, "ask", 6), 7);
  EQUAL(RUN1(instance, "leaf", 6), 7);
  OK(lucet_instance_run(instance, "outside", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_MEMORY);
  OK(lucet_instance_reset(instance));
  OK(lucet_instance_run(instance, "deep", &zero, 1, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
  OK(lucet_instance_reset(instance));
  limits.deadline_ns = now_ns() + 1000000;
  OK(lucet_instance_set_limits(instance, &limits));
  OK(lucet_instance_run(instance, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OK(lucet_instance_reset(instance));
  limits = lucet_limits_default();
  limits.slice_ns = 500000;
  OK(lucet_instance_set_limits(instance, &limits));
  OK(run_i32(instance, "count", 1, 10000000, 0, &outcome));
  for (; outcome.kind == LUCET_PREEMPTED; slices++)
    OK(lucet_instance_resume(instance, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(slices > 0);
  limits = lucet_limits_default();
  OK(lucet_instance_set_limits(instance, &limits));
}

/* MemoryDenyWriteExecute= of systemd. */
static void no_new_code(void) {
  struct guest mine;
  lucet_module *again = NULL;
  lucet_linker *linker = NULL;
  lucet_load_options options = lucet_load_options_default();
  if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)) {
    CHECK(errno == EINVAL); /* a kernel before 6.3 */
    return;
  }
  mine = guest();
  exercise(mine.instance);
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_trap_missing(linker));
  options.flags = LUCET_LOAD_IN_PLACE;
  OK(lucet_module_load_file(guest_path("ways"), linker, &options, &again));
  lucet_module_release(again);
  lucet_linker_release(linker);
  let_go(&mine);
}

/* With any amount of address space everything works, or what does not is a status. */
static void little_address_space(void) {
  unsigned worked = 0, refused = 0;
  if (SANITIZED) return; /* the sanitizer has reserved terabytes */
  for (rlim_t mebibytes = 1; mebibytes <= 1 << 17; mebibytes *= 2) {
    int status = 0;
    pid_t child;
    fflush(stdout);
    child = fork();
    if (child == 0) {
      struct rlimit limit = {mebibytes << 20, mebibytes << 20};
      lucet_linker *linker = NULL;
      lucet_module *module = NULL;
      lucet_region *region = NULL;
      lucet_instance *instance = NULL;
      lucet_region_config config = lucet_region_config_default();
      lucet_outcome outcome;
      lucet_status is;
      config.instances = 4;
      if (setrlimit(RLIMIT_AS, &limit)) _exit(9);
      if ((is = lucet_linker_new(&linker)) || (is = lucet_linker_trap_missing(linker)) ||
          (is = lucet_module_load_file(guest_path("ways"), linker, NULL, &module)) ||
          (is = lucet_signals_install(0)) || (is = lucet_region_new(&config, &region)) ||
          (is = lucet_instance_new(region, module, NULL, NULL, &instance)) ||
          (is = lucet_instance_run(instance, "outside", NULL, 0, &outcome)))
        _exit(is == LUCET_NO_MEMORY || is == LUCET_SYSTEM || is == LUCET_LIMIT ? 1 : 2);
      _exit(outcome.kind == LUCET_TRAPPED ? 0 : 3);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    if (WEXITSTATUS(status) == 0)
      worked++;
    else
      refused++;
  }
  CHECK(worked > 0);
  CHECK(refused > 0);
}

static void *kill_soon(void *handle) {
  const struct timespec moment = {0, 2000000};
  nanosleep(&moment, NULL);
  /* On a busy machine the run may not have begun. */
  int32_t met = lucet_kill(*(lucet_kill_handle *)handle, 9);
  CHECK(met == LUCET_KILL_STOPPING || met == LUCET_KILL_NOT_RUNNING);
  return NULL;
}

static void kill_while_it_spins(lucet_instance *instance) {
  lucet_kill_handle handle;
  lucet_outcome outcome;
  pthread_t thread;
  OK(lucet_instance_kill_handle(instance, &handle));
  pthread_create(&thread, NULL, kill_soon, &handle);
  OK(lucet_instance_run(instance, "spin", NULL, 0, &outcome));
  pthread_join(thread, NULL);
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  EQUAL(outcome.token, 9);
  OK(lucet_instance_reset(instance));
}

/* Nothing can be queued any more, neither by the host nor by us: kills come through, timers that exist go on.
 */
static void full_queue(void) {
  struct rlimit limit = {0, 0};
  struct guest mine = guest();
  lucet_limits limits = lucet_limits_default();
  union sigval nothing = {0};
  lucet_outcome outcome;
  EQUAL(RUN0(mine.instance, "value"), 42); /* prepares the thread: its timer has a place of its own */
  EQUAL(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
  CHECK(sigqueue(getpid(), SIGRTMIN + 1, nothing) == -1 && errno == EAGAIN);
  for (int i = 0; i < 20; i++)
    kill_while_it_spins(mine.instance);
  limits.deadline_ns = now_ns() + 1000000;
  OK(lucet_instance_set_limits(mine.instance, &limits));
  OK(lucet_instance_run(mine.instance, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OK(lucet_instance_reset(mine.instance));
  let_go(&mine);
}

/* A thread that comes too late for a timer runs no guests, by any way in, with limits of time or without: they could not be stopped on it. */
static void *without_a_timer(void *instance) {
  struct rlimit before, none;
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  LUCET_ENTRY(value, int32_t);
  const lucet_func *function = NULL;
  int32_t answer = 0;
  sigset_t mask, same;
  stack_t stack;
  lucet_module *module = ((struct guest *)instance)->module;
  instance = ((struct guest *)instance)->instance;
  OK(lucet_module_func(module, "value", &function));
  CHECK(LUCET_FIND(value, module, "value", int32_t));
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  EQUAL(getrlimit(RLIMIT_SIGPENDING, &before), 0);
  none = before;
  none.rlim_cur = 0;
  EQUAL(setrlimit(RLIMIT_SIGPENDING, &none), 0);
  for (int limited = 0; limited < 2; limited++) {
    limits.deadline_ns = limited ? now_ns() + 60000000000u : 0;
    OK(lucet_instance_set_limits(instance, &limits));
    FAILS(LUCET_SYSTEM, "RLIMIT_SIGPENDING", lucet_instance_run(instance, "value", NULL, 0, &outcome));
    EQUAL(outcome.kind, LUCET_NOT_RUN);
    FAILS(LUCET_SYSTEM, "RLIMIT_SIGPENDING", lucet_instance_call(instance, function, NULL, 0, &outcome));
    FAILS(LUCET_SYSTEM, "RLIMIT_SIGPENDING", lucet_instance_resume(instance_that_waits, NULL, 0, &outcome));
    EQUAL(value(instance, &answer), LUCET_NOT_RUN);
    CONTAINS(lucet_last_error(), "RLIMIT_SIGPENDING");
  }
  /* Nothing of what was begun is left. */
  pthread_sigmask(SIG_SETMASK, NULL, &same);
  CHECK(!memcmp(&mask, &same, 8));
  EQUAL(sigaltstack(NULL, &stack), 0);
  if (!SANITIZED) CHECK(stack.ss_flags & SS_DISABLE);
  EQUAL(setrlimit(RLIMIT_SIGPENDING, &before), 0);
  EQUAL(RUN0(instance, "value"), 42);
  limits.deadline_ns = now_ns() + 1000000;
  OK(lucet_instance_set_limits(instance, &limits));
  OK(lucet_instance_resume(instance_that_waits, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_PREEMPTED, 0);
  OK(lucet_instance_run(instance, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_DEADLINE);
  OK(lucet_instance_reset(instance));
  return NULL;
}

static void no_timer(void) {
  struct guest mine = guest();
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  pthread_t thread;
  instance_that_waits = fixture_instance(mine.region, mine.module, NULL);
  limits.slice_ns = 500000;
  OK(lucet_instance_set_limits(instance_that_waits, &limits));
  OK(lucet_instance_run(instance_that_waits, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_PREEMPTED, 0);
  EQUAL(pthread_create(&thread, NULL, without_a_timer, &mine), 0);
  pthread_join(thread, NULL);
  OK(lucet_instance_release(instance_that_waits));
  let_go(&mine);
}

static void blocked_signals(void) {
  sigset_t all, before, after;
  struct guest mine = guest();
  sigfillset(&all);
  EQUAL(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  exercise(mine.instance);
  kill_while_it_spins(mine.instance);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK(!sigismember(&after, SIGSEGV) && !sigismember(&after, SIGBUS) && !sigismember(&after, SIGILL));
  CHECK(sigismember(&after, SIGTERM) && sigismember(&after, SIGALRM) && sigismember(&after, SIGUSR1));
  lucet_thread_detach();
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK(!memcmp(&before, &after, 8));
  let_go(&mine);
}

static void *on_a_small_stack(void *instance) {
  lucet_outcome outcome;
  exercise(instance);
  kill_while_it_spins(instance);
  /* A callback needs more of the host's stack than there is. */
  OK(run_i32(instance, "ask", 1, 1, 0, &outcome));
  if (!SANITIZED) OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_DEPTH);
  OK(lucet_instance_reset(instance));
  return NULL;
}

/* As Varnish gives its workers, and less. */
static void small_stacks(void) {
  struct guest mine = guest();
  pthread_attr_t attributes;
  pthread_t thread;
  size_t size = SANITIZED ? 48 << 10 : 28 << 10;
  pthread_attr_init(&attributes);
  EQUAL(pthread_attr_setstacksize(&attributes, size), 0);
  EQUAL(pthread_create(&thread, &attributes, on_a_small_stack, mine.instance), 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  exercise(mine.instance);
  let_go(&mine);
}

enum { ARCH_SHSTK_STATUS = 0x5005 };

/* Answers the question for shadow stacks as a kernel does on a thread that has one. */
static void on_trapped_call(int signal, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)signal;
  if (info->si_syscall != SYS_arch_prctl) _exit(7);
  *(uint64_t *)registers[REG_RSI] = 1;
  registers[REG_RAX] = 0;
}

static void shadow_stack(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_SHSTK_STATUS, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  struct sigaction action;
  struct guest mine = guest();
  lucet_outcome outcome;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_trapped_call;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, NULL);
  EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
  FAILS(LUCET_UNSUPPORTED, "shadow stack", lucet_instance_run(mine.instance, "value", NULL, 0, &outcome));
  EQUAL(outcome.kind, LUCET_NOT_RUN);
  STATUS(LUCET_UNSUPPORTED, lucet_instance_run(mine.instance, "value", NULL, 0, &outcome));
  let_go(&mine);
}

static void in_its_own_process(const char *name, void (*test)(void)) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    harness_checks = harness_failures = 0;
    test();
    fflush(stdout);
    _exit(harness_failures || !(harness_checks || SANITIZED) ? 1 : 0);
  }
  EQUAL(waitpid(child, &status, 0), child);
  if (!harness_result(WIFEXITED(status) && WEXITSTATUS(status) == 0, __FILE__, __LINE__))
    printf("%s: status %#x\n", name, (unsigned)status);
}
#define TEST(name) in_its_own_process(#name, name)

int main(void) {
  TEST(no_new_code);
  TEST(little_address_space);
  TEST(full_queue);
  TEST(no_timer);
  TEST(blocked_signals);
  TEST(small_stacks);
  TEST(shadow_stack);
  return finish();
}
