/* main.c GUEST: what it costs to stop guests, each next to what the kernel takes for the same without a
 * guest, in one run.
 *
 *   kill       from lucet_kill on another CPU to the return of the run; from tgkill to a handler of the host's
 *   deadline   a call with a deadline, less the same call without
 *   slice      a slice's end and the resume after it, less an interruption at the same rate by a timer whose handler does nothing but
 *              read what is measured. What an interruption costs is the thread's time since the one before, less what the guest's
 *              steps in between take, which it counts in its memory and which are timed alone in each round: a slower processor makes
 *              both alike dearer. Medians of rounds of a few interruptions in turns, since the kernel's ticks hit some. Left out
 *              are those since whose predecessor another program has had the processor: with cold caches the library's way,
 *              which is the longer one, costs some microseconds more.
 *   budget     the CPU time of a run of a guest that spins, as its thread's clock has it, over its budget: the smallest, where what
 *              stopping takes counts most, and one of which a part is not measured
 *
 * The handler's timer repeats by itself, so that it costs no system call; the library sets its timer for each slice.
 *
 * Writes {"row": {"key": number}} to standard output. Not here: how often system calls are interrupted, which
 * tests/c/unit/event_loop.c counts. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <lucet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 4000, DEADLINE_ROUNDS = 400, DEADLINE_CALLS = 2000, SLICE_ROUNDS = 700, SLICES = 7, BUDGETS = 500, STEPS = 300000 };
enum { HOST_SIGNAL = 40, HOST_TIMER = 41 };

static lucet_region *region;
static lucet_module *module;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t now_of_thread(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void need(lucet_status status, const char *what) {
  if (!status) return;
  fprintf(stderr, "%s: %s\n", what, lucet_last_error());
  exit(1);
}

static void pin(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
  pthread_setaffinity_np(thread, sizeof set, &set);
}

static int compare(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

static int compare_numbers(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* -- kill -- */
static struct {
  lucet_instance *guest;
  lucet_kill_handle handle;
  atomic_int turn; /* 0: nobody's; 1: a guest spins; 2: C spins; 3: over */
  atomic_int done;
  pid_t thread;
  volatile sig_atomic_t stopped;
  uint64_t at;
} victim;

static void on_host_signal(int signal) {
  (void)signal;
  victim.at = now();
  victim.stopped = 1;
}

static void *be_stopped(void *nothing) {
  lucet_outcome outcome;
  victim.thread = (pid_t)syscall(SYS_gettid);
  for (;;) {
    int turn = atomic_load(&victim.turn);
    if (turn == 3) return nothing;
    if (turn == 1) {
      need(lucet_instance_run(victim.guest, "spin", NULL, 0, &outcome), "spin");
      victim.at = now();
      need(lucet_instance_reset(victim.guest), "reset");
    } else if (turn == 2) {
      while (!victim.stopped) {
      }
    } else {
      continue;
    }
    atomic_store(&victim.turn, 0);
    atomic_store(&victim.done, 1);
  }
}

/* Nanoseconds from asking to being stopped. */
static uint64_t stop_once(int turn, unsigned pause) {
  uint64_t asked;
  atomic_store(&victim.done, 0);
  victim.stopped = 0;
  if (turn == 1) need(lucet_instance_kill_handle(victim.guest, &victim.handle), "kill handle");
  atomic_store(&victim.turn, turn);
  for (uint64_t begun = now(); now() - begun < 20000 + pause;) {
  }
  asked = now();
  if (turn == 1)
    lucet_kill(victim.handle, 1);
  else
    syscall(SYS_tgkill, getpid(), victim.thread, HOST_SIGNAL);
  while (!atomic_load(&victim.done)) {
  }
  return victim.at - asked;
}

static void kills(void) {
  static uint64_t guests[KILLS], handlers[KILLS];
  struct sigaction action;
  pthread_t thread;
  unsigned random = 1;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_host_signal;
  action.sa_flags = SA_ONSTACK;
  sigaction(HOST_SIGNAL, &action, NULL);
  need(lucet_instance_new(region, module, NULL, NULL, &victim.guest), "instance");
  pthread_create(&thread, NULL, be_stopped, NULL);
  pin(pthread_self(), 0);
  pin(thread, 1);
  for (int i = 0; i < KILLS; i++) {
    random = random * 1103515245u + 12345u;
    guests[i] = stop_once(1, random >> 18);
    handlers[i] = stop_once(2, random >> 18);
  }
  atomic_store(&victim.turn, 3);
  pthread_join(thread, NULL);
  need(lucet_instance_release(victim.guest), "release");
  qsort(guests, KILLS, sizeof guests[0], compare);
  qsort(handlers, KILLS, sizeof handlers[0], compare);
  printf(
      "  \"kill\": {\"p50_us\": %.2f, \"p99_us\": %.2f, \"tgkill_p50_us\": %.2f, \"tgkill_p99_us\": %.2f},\n",
      (double)guests[KILLS / 2] / 1e3, (double)guests[KILLS * 99 / 100] / 1e3,
      (double)handlers[KILLS / 2] / 1e3, (double)handlers[KILLS * 99 / 100] / 1e3);
}

/* -- deadline -- */
static double calls(lucet_instance *guest, const lucet_func *add) {
  lucet_value arguments[2];
  lucet_outcome outcome;
  uint64_t begun = now();
  arguments[0] = lucet_value_i32(20);
  arguments[1] = lucet_value_i32(22);
  for (int i = 0; i < DEADLINE_CALLS; i++)
    need(lucet_instance_call(guest, add, arguments, 2, &outcome), "add");
  return (double)(now() - begun) / DEADLINE_CALLS;
}

static void limit(lucet_instance *guest, uint64_t deadline, uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = deadline;
  limits.slice_ns = slice;
  need(lucet_instance_set_limits(guest, &limits), "limits");
}

static void deadlines(void) {
  const lucet_func *add;
  lucet_instance *guest;
  double without = 1e9, with = 1e9, time;
  need(lucet_instance_new(region, module, NULL, NULL, &guest), "instance");
  need(lucet_module_func(module, "add", &add), "add");
  for (int i = 0; i < DEADLINE_ROUNDS; i++) {
    limit(guest, 0, 0);
    if ((time = calls(guest, add)) < without) without = time;
    limit(guest, now() + 3000000000u, 0);
    if ((time = calls(guest, add)) < with) with = time;
  }
  need(lucet_instance_release(guest), "release");
  printf("  \"deadline\": {\"call_ns\": %.1f, \"call_with_deadline_ns\": %.1f, \"cost_ns\": %.1f},\n",
         without, with, with - without);
}

/* -- budget -- */
static void budgets(uint64_t budget, const char *name) {
  static double used[BUDGETS];
  lucet_instance *guest;
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  limits.cpu_ns = budget;
  need(lucet_instance_new(region, module, NULL, &limits, &guest), "instance");
  for (int i = 0; i < BUDGETS; i++) {
    uint64_t begun = now_of_thread();
    need(lucet_instance_run(guest, "spin", NULL, 0, &outcome), "spin");
    used[i] = (double)(now_of_thread() - begun) / (double)budget;
    if (outcome.detail != LUCET_STOP_CPU) need(1, "a budget");
    need(lucet_instance_reset(guest), "reset");
  }
  need(lucet_instance_release(guest), "release");
  qsort(used, BUDGETS, sizeof used[0], compare_numbers);
  printf("  \"%s\": {\"least\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f},\n", name, used[0],
         used[BUDGETS / 2], used[BUDGETS * 9 / 10], used[BUDGETS * 99 / 100]);
}

/* -- slice -- */

/* The interruptions of one phase: when they came, and how many steps the guest had done. */
struct account {
  uint64_t at[SLICES + 1];
  int64_t steps[SLICES + 1];
  long switches[SLICES + 1]; /* of the thread, for the sake of other programs */
};

static struct {
  lucet_kill_handle handle;
  const volatile int64_t *steps; /* the guest's own count */
  int count;
  struct account *account;
} watched;

static void interrupted(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  watched.account->switches[watched.count] = usage.ru_nivcsw;
  watched.account->at[watched.count] = now_of_thread();
  watched.account->steps[watched.count++] = *watched.steps;
}

static void on_tick(int signal) {
  (void)signal;
  if (watched.count <= SLICES)
    interrupted();
  else
    lucet_kill(watched.handle, 1);
}

static lucet_outcome work(lucet_instance *guest, int64_t steps) {
  lucet_value argument = lucet_value_i64(steps);
  lucet_outcome outcome;
  need(lucet_instance_run(guest, "work", &argument, 1, &outcome), "work");
  return outcome;
}

/* The best of a few: the processor's speed changes, and some of them are interrupted. */
static double ns_a_step(lucet_instance *guest) {
  double best = 1e9;
  limit(guest, 0, 0);
  for (int i = 0; i < 5; i++) {
    uint64_t begun = now_of_thread();
    double time;
    work(guest, STEPS);
    if ((time = (double)(now_of_thread() - begun) / STEPS) < best) best = time;
  }
  return best;
}

static void begin(lucet_instance *guest, struct account *account) {
  watched.count = 0;
  watched.account = account;
  need(lucet_instance_kill_handle(guest, &watched.handle), "kill handle");
}

static void by_library(lucet_instance *guest, uint64_t slice, struct account *account) {
  lucet_outcome outcome;
  limit(guest, 0, slice);
  begin(guest, account);
  outcome = work(guest, INT64_MAX);
  while (watched.count <= SLICES) {
    interrupted();
    need(lucet_instance_resume(guest, NULL, 0, &outcome), "resume");
    if (outcome.kind != LUCET_PREEMPTED) need(1, "a slice");
  }
  need(lucet_instance_reset(guest), "reset");
}

static void by_host(lucet_instance *guest, timer_t timer, uint64_t slice, struct account *account) {
  struct itimerspec period, never;
  memset(&never, 0, sizeof never);
  period.it_interval.tv_sec = period.it_value.tv_sec = 0;
  period.it_interval.tv_nsec = period.it_value.tv_nsec = (long)slice;
  limit(guest, 0, 0);
  begin(guest, account);
  timer_settime(timer, 0, &period, NULL);
  work(guest, INT64_MAX);
  timer_settime(timer, 0, &never, NULL);
  need(lucet_instance_reset(guest), "reset");
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof values[0], compare_numbers);
  return values[count / 2];
}

/* Microseconds of an interruption: what was no time for the guest's own steps, of all the time since the one before. `count`: of so many,
 * 0 if another program has come in between in all of them. */
static double cost(const struct account *account, double ns_a_step, int *count) {
  double costs[SLICES];
  *count = 0;
  for (int i = 0; i < SLICES; i++) {
    double steps = (double)(account->steps[i + 1] - account->steps[i]);
    if (account->switches[i + 1] != account->switches[i]) continue;
    costs[(*count)++] = ((double)(account->at[i + 1] - account->at[i]) - steps * ns_a_step) / 1e3;
  }
  return *count ? median(costs, *count) : 0;
}

static void slices(uint64_t slice, const char *name) {
  static double hosts[SLICE_ROUNDS], librarys[SLICE_ROUNDS], above[SLICE_ROUNDS];
  int rounds = 0, all = 0;
  lucet_instance *guest;
  struct sigaction action;
  struct sigevent event;
  timer_t timer;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_tick;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  sigaction(HOST_TIMER, &action, NULL);
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = HOST_TIMER;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  need(lucet_instance_new(region, module, NULL, NULL, &guest), "instance");
  watched.steps = (const volatile int64_t *)lucet_instance_memory(guest, 0).data;
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    struct account library, host;
    int of_library, of_host;
    double step;
    by_library(guest, slice, &library);
    /* Longer than a slice: the library's timer, which is set for one that does not come, fires here. */
    step = ns_a_step(guest);
    librarys[rounds] = cost(&library, step, &of_library);
    /* A slice begins when its resume ends, a period when the one before does. */
    by_host(guest, timer, slice + (uint64_t)(1e3 * (librarys[rounds] > 0 ? librarys[rounds] : 0)), &host);
    hosts[rounds] = cost(&host, step, &of_host);
    above[rounds] = librarys[rounds] - hosts[rounds];
    if (!of_library || !of_host) continue;
    rounds++;
    all += of_library;
  }
  if (!rounds) {
    fprintf(stderr, "no slice of %s without other programs\n", name);
    exit(1);
  }
  timer_delete(timer);
  need(lucet_instance_release(guest), "release");
  printf("  \"%s\": {\"slices\": %d, \"slice_us\": %.2f, \"empty_handler_us\": %.2f, \"above_us\": %.2f},\n", name,
         all, median(librarys, rounds), median(hosts, rounds), median(above, rounds));
}

int main(int count, char **arguments) {
  lucet_linker *linker = NULL;
  lucet_region_config config = lucet_region_config_default();
  if (count != 2) return 2;
  config.instances = 4;
  need(lucet_linker_new(&linker), "linker");
  need(lucet_module_load_file(arguments[1], linker, NULL, &module), arguments[1]);
  lucet_linker_release(linker);
  need(lucet_signals_install(0), "signals");
  need(lucet_region_new(&config, &region), "region");
  printf("{\n");
  kills();
  deadlines();
  budgets(200000, "budget_fifth_ms");
  budgets(4000000, "budget_4ms");
  slices(500000, "slice_half_ms");
  slices(1000000, "slice_1ms");
  printf("  \"cpus\": {\"online\": %ld}\n}\n", sysconf(_SC_NPROCESSORS_ONLN));
  return 0;
}
