/* stops.c: guests that are killed, preempted, suspended, out of time or out of budget at random moments, by
 * other threads, timers and signal handlers, and go on on whichever thread comes by. What returns has the
 * result of an undisturbed run; what is ended has been ended for its own reason; every instance can be used
 * afterwards. */
#include "soak.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { WORKERS = 3, SIZES = 8, WAITING = 64 };

struct victim {
  pthread_mutex_t mutex;
  lucet_kill_handle handle;
  uint64_t reason; /* 0: nobody is to be killed */
};

/* A guest that waits, for whoever takes it. */
struct waiting {
  lucet_instance *guest;
  int size, bulk, suspended;
};

static struct {
  const struct soak *soak;
  lucet_region *region;
  lucet_module *module;
  int64_t works[SIZES], bulks[SIZES];
  struct victim victims[WORKERS];
  pthread_mutex_t mutex;
  struct waiting waiting[WAITING];
  int waiting_count;
  atomic_uint_fast64_t kills, slices, moved, deadlines, budgets, suspensions;
  atomic_int over;
} all;

struct worker {
  int number;
  uint64_t random;
  _Atomic uint64_t cycles;
  pthread_t thread;
};

static _Thread_local int suspending;

static int32_t host(lucet_call *call, int32_t value) {
  if (suspending) SOAK_OK(lucet_call_suspend(call, (uint64_t)value));
  return value * 3;
}

static uint64_t nanoseconds(void) { return (uint64_t)(soak_now() * 1e9); }

static void limit(lucet_instance *guest, uint64_t deadline, uint64_t cpu, uint64_t slice) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = deadline;
  limits.cpu_ns = cpu;
  limits.slice_ns = slice;
  SOAK_OK(lucet_instance_set_limits(guest, &limits));
}

static int32_t size_of(int size) { return 20000 << size; }

static lucet_outcome run1(lucet_instance *guest, const char *name, int32_t argument) {
  lucet_value value = lucet_value_i32(argument);
  lucet_outcome outcome;
  SOAK_OK(lucet_instance_run(guest, name, &value, 1, &outcome));
  return outcome;
}

static lucet_instance *fresh(void) {
  lucet_instance *guest;
  SOAK_OK(lucet_instance_new(all.region, all.module, NULL, NULL, &guest));
  return guest;
}

/* It works as ever, and that was it. */
static void finish(lucet_instance *guest) {
  lucet_outcome outcome;
  SOAK_OK(lucet_instance_reset(guest));
  limit(guest, 0, 0, 0);
  SOAK_OK(lucet_instance_run(guest, "value", NULL, 0, &outcome));
  SOAK_NEED(outcome.kind == LUCET_RETURNED && outcome.values[0].of.i32 == 42);
  SOAK_OK(lucet_instance_release(guest));
}

static void check_result(const struct waiting *it, const lucet_outcome *outcome) {
  SOAK_NEED(outcome->kind == LUCET_RETURNED);
  SOAK_NEED(outcome->values[0].of.i64 == (it->bulk ? all.bulks : all.works)[it->size]);
}

/* Leaves a guest to others, if there is room. */
static int leave(struct waiting it) {
  int left = 0;
  pthread_mutex_lock(&all.mutex);
  if (all.waiting_count < WAITING) all.waiting[all.waiting_count++] = it, left = 1;
  pthread_mutex_unlock(&all.mutex);
  return left;
}

static int take(uint64_t random, struct waiting *it) {
  int found = 0;
  pthread_mutex_lock(&all.mutex);
  if (all.waiting_count) {
    int which = (int)(random % (uint64_t)all.waiting_count);
    *it = all.waiting[which];
    all.waiting[which] = all.waiting[--all.waiting_count];
    found = 1;
  }
  pthread_mutex_unlock(&all.mutex);
  return found;
}

static void go_on(struct worker *worker, struct waiting it, lucet_outcome outcome) {
  while (outcome.kind == LUCET_PREEMPTED) {
    atomic_fetch_add(&all.slices, 1);
    if (soak_random(&worker->random) % 2 && leave(it)) return;
    SOAK_OK(lucet_instance_resume(it.guest, NULL, 0, &outcome));
  }
  check_result(&it, &outcome);
  finish(it.guest);
}

static void work_in_slices(struct worker *worker) {
  struct waiting it = {fresh(), (int)(soak_random(&worker->random) % SIZES),
                       (int)(soak_random(&worker->random) % 2), 0};
  limit(it.guest, 0, 0, 500000 + soak_random(&worker->random) % 500000);
  go_on(worker, it, it.bulk ? run1(it.guest, "bulk", it.size + 1) : run1(it.guest, "work", size_of(it.size)));
}

static void wait_for_others(struct worker *worker) {
  struct waiting it = {fresh(), (int)(soak_random(&worker->random) % SIZES), 0, 1};
  lucet_outcome outcome;
  suspending = 1;
  outcome = run1(it.guest, "wait", it.size);
  suspending = 0;
  SOAK_NEED(outcome.kind == LUCET_SUSPENDED && outcome.token == (uint64_t)it.size);
  atomic_fetch_add(&all.suspensions, 1);
  if (!leave(it)) finish(it.guest);
}

static void take_over(struct worker *worker) {
  struct waiting it;
  lucet_outcome outcome;
  if (!take(soak_random(&worker->random), &it)) return;
  atomic_fetch_add(&all.moved, 1);
  if (soak_random(&worker->random) % 16 == 0) {
    finish(it.guest); /* as a client that has gone away */
  } else if (it.suspended) {
    lucet_value answer = lucet_value_i32(1000);
    SOAK_OK(lucet_instance_resume(it.guest, &answer, 1, &outcome));
    SOAK_NEED(outcome.kind == LUCET_RETURNED && outcome.values[0].of.i32 == 1000 + it.size);
    finish(it.guest);
  } else {
    SOAK_OK(lucet_instance_resume(it.guest, NULL, 0, &outcome));
    go_on(worker, it, outcome);
  }
}

static void expose(struct worker *worker, const lucet_kill_handle *handle, uint64_t reason) {
  struct victim *victim = &all.victims[worker->number];
  pthread_mutex_lock(&victim->mutex);
  if (handle) victim->handle = *handle;
  victim->reason = reason;
  pthread_mutex_unlock(&victim->mutex);
}

static void be_killed(struct worker *worker) {
  lucet_instance *guest = fresh();
  uint64_t reason = worker->cycles * WORKERS + (uint64_t)worker->number + 1;
  lucet_kill_handle handle;
  lucet_outcome outcome;
  for (int again = 0; again < 20; again++, reason += 1u << 30) {
    SOAK_OK(lucet_instance_kill_handle(guest, &handle));
    expose(worker, &handle, reason);
    SOAK_OK(
        lucet_instance_run(guest, soak_random(&worker->random) % 2 ? "spin" : "chatter", NULL, 0, &outcome));
    expose(worker, NULL, 0);
    SOAK_NEED(outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_KILL &&
              outcome.token == reason);
    atomic_fetch_add(&all.kills, 1);
    SOAK_OK(lucet_instance_reset(guest));
  }
  finish(guest);
}

static void run_out_of_time(struct worker *worker) {
  lucet_instance *guest = fresh();
  int size = (int)(soak_random(&worker->random) % SIZES), bulk = (int)(soak_random(&worker->random) % 2);
  uint64_t deadline = nanoseconds() + soak_random(&worker->random) % 2000000;
  lucet_outcome outcome;
  limit(guest, deadline, 0, 0);
  outcome = bulk ? run1(guest, "bulk", size + 1) : run1(guest, "work", size_of(size));
  if (outcome.kind == LUCET_RETURNED) {
    SOAK_NEED(outcome.values[0].of.i64 == (bulk ? all.bulks : all.works)[size]);
  } else {
    SOAK_NEED(outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_DEADLINE);
    SOAK_NEED(nanoseconds() + 1000 >= deadline);
    atomic_fetch_add(&all.deadlines, 1);
  }
  finish(guest);
}

static void use_up_a_budget(struct worker *worker) {
  lucet_instance *guest = fresh();
  lucet_outcome outcome;
  limit(guest, 0, 300000 + soak_random(&worker->random) % 1000000, 0);
  SOAK_OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  SOAK_NEED(outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_CPU);
  atomic_fetch_add(&all.budgets, 1);
  finish(guest);
}

static void *work(void *data) {
  struct worker *worker = data;
  while (soak_goes_on(all.soak)) {
    switch (soak_random(&worker->random) % 8) {
    case 0:
      work_in_slices(worker);
      break;
    case 1:
      wait_for_others(worker);
      break;
    case 2:
    case 3:
      take_over(worker);
      break;
    case 4:
      run_out_of_time(worker);
      break;
    case 5:
      use_up_a_budget(worker);
      break;
    default:
      be_killed(worker);
      break;
    }
    worker->cycles++;
  }
  return NULL;
}

static void kill_one(unsigned which) {
  struct victim *victim = &all.victims[which];
  lucet_kill_handle handle;
  uint64_t reason;
  pthread_mutex_lock(&victim->mutex);
  handle = victim->handle;
  reason = victim->reason;
  pthread_mutex_unlock(&victim->mutex);
  /* Late on purpose: the guest may be over, and its slot another's, which must not notice. */
  if (handle.opaque[0]) lucet_kill(handle, reason);
}

static void *kill_them(void *nothing) {
  uint64_t random = 77;
  while (!atomic_load(&all.over)) {
    kill_one((unsigned)(soak_random(&random) % WORKERS));
    for (uint64_t pause = soak_random(&random) % 3000; pause; pause--)
      __asm__ volatile("pause");
    if (soak_random(&random) % 1024 == 0) usleep((useconds_t)(soak_random(&random) % 200));
  }
  return nothing;
}

static void expectations(void) {
  lucet_instance *guest = fresh();
  for (int size = 0; size < SIZES; size++) {
    all.works[size] = run1(guest, "work", size_of(size)).values[0].of.i64;
    SOAK_OK(lucet_instance_reset(guest));
    all.bulks[size] = run1(guest, "bulk", size + 1).values[0].of.i64;
    SOAK_OK(lucet_instance_reset(guest));
  }
  SOAK_OK(lucet_instance_release(guest));
}

/* Every slot has been used, so that the process holds what it will. */
static void use_every_slot(void) {
  lucet_instance *guests[WORKERS + WAITING + 1];
  for (int i = 0; i < WORKERS + WAITING + 1; i++) {
    guests[i] = fresh();
    run1(guests[i], "bulk", 1);
  }
  for (int i = 0; i < WORKERS + WAITING + 1; i++)
    SOAK_OK(lucet_instance_release(guests[i]));
}

static const lucet_host_function host_row = LUCET_HOST("host", host, int32_t, int32_t);

static void make(const struct soak *soak) {
  lucet_linker *linker = NULL;
  lucet_region_config config = lucet_region_config_default();
  config.instances = WORKERS + WAITING + 1;
  all.soak = soak;
  pthread_mutex_init(&all.mutex, NULL);
  for (int i = 0; i < WORKERS; i++)
    pthread_mutex_init(&all.victims[i].mutex, NULL);
  SOAK_OK(lucet_linker_new(&linker));
  SOAK_OK(lucet_linker_define(linker, "env", &host_row, 1, NULL));
  all.module = soak_module(soak, "stopping", linker);
  lucet_linker_release(linker);
  SOAK_OK(lucet_region_config_fit(&config, all.module));
  SOAK_OK(lucet_region_new(&config, &all.region));
  expectations();
  use_every_slot();
}

static uint64_t cycles_of(const struct worker *workers) {
  uint64_t sum = 0;
  for (int i = 0; i < WORKERS; i++)
    sum += workers[i].cycles;
  return sum;
}

int main(int argc, char **argv) {
  struct soak soak = soak_start(argc, argv);
  struct worker workers[WORKERS];
  struct waiting left;
  pthread_t killer;
  int status;
  memset(workers, 0, sizeof workers);
  make(&soak);
  SOAK_NEED(pthread_create(&killer, NULL, kill_them, NULL) == 0);
  for (int i = 0; i < WORKERS; i++) {
    workers[i].number = i;
    workers[i].random = 88172645463325252u + (uint64_t)i * 7919;
    SOAK_NEED(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  while (soak_warms(&soak))
    usleep(10000);
  soak_begin(&soak, cycles_of(workers));
  for (int i = 0; i < WORKERS; i++)
    pthread_join(workers[i].thread, NULL);
  atomic_store(&all.over, 1);
  pthread_join(killer, NULL);
  while (take(0, &left))
    finish(left.guest);
  printf("stops: %" PRIu64 " kills, %" PRIu64 " slices, %" PRIu64 " deadlines, %" PRIu64 " budgets, %" PRIu64
         " suspensions, %" PRIu64 " taken over\n",
         (uint64_t)all.kills, (uint64_t)all.slices, (uint64_t)all.deadlines, (uint64_t)all.budgets,
         (uint64_t)all.suspensions, (uint64_t)all.moved);
  SOAK_NEED(all.kills && all.slices && all.deadlines && all.budgets && all.suspensions && all.moved);
  /* Slots have a mapping or two more while they are sealed, and which ones are changes all the time. */
  status = soak_end(&soak, cycles_of(workers), (WORKERS + WAITING + 1) << 10, 16);
  lucet_module_release(all.module);
  lucet_region_release(all.region);
  return status;
}
