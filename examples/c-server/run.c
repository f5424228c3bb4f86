/* run.c: see run.h. */
#include "run.h"

#include "exchange.h"
#include "fetch.h"
#include "server.h"
#include "worker.h"

static void on_timer(struct timer *timer) {
  run_wake((struct run *)((char *)timer - offsetof(struct run, timer)));
}

/* The guest must be looked at again by its deadline at the latest: then it is stopped as soon as it goes on.
 */
static bool set_timer(struct run *run, uint64_t at_ms) {
  return timers_set(&run->worker->timers, &run->timer, at_ms < run->deadline_ms ? at_ms : run->deadline_ms);
}

/* What an outcome means for the run. */
static void follow(struct run *run, uint32_t kind) {
  run->kind = kind;
  run->state = RUN_ENDED;
  if (kind == LUCET_SUSPENDED) {
    run->suspended = true;
    run->state = RUN_WAITING;
  } else if (kind == LUCET_PREEMPTED || kind == LUCET_TERMINATED) {
    struct turns *turns = &run->worker->turns;
    size_t number = guest_number(&run->worker->server->guests, run->guest);
    if (kind == LUCET_TERMINATED || ++run->slices > 1) turns_slow(turns, number, clock_ms());
    if (kind == LUCET_TERMINATED) return;
    atomic_fetch_add(&run->guest->slices, 1);
    turns_push(turns, run, number);
  }
}

static void enter(struct run *run) {
  run->state = RUN_AT_WORK;
  if (run->code->handle) {
    follow(run, run->code->handle(run->instance, &run->result));
    return;
  }
  lucet_outcome outcome = {0};
  (void)lucet_instance_call(run->instance, run->code->start, NULL, 0, &outcome); /* the outcome tells all */
  follow(run, outcome.kind);
}

static lucet_limits limits_of(const struct route *route, uint64_t deadline_ms) {
  lucet_limits limits = lucet_limits_default();
  limits.memory_bytes = route->memory;
  limits.cpu_ns = route->cpu_ns;
  limits.slice_ns = route->slice_ns;
  limits.deadline_ns = deadline_ms * 1000000;
  return limits;
}

lucet_status run_start(struct run *run, struct exchange *exchange, struct worker *worker,
                       struct guest *guest) {
  const struct route *route = guest->route;
  run->worker = worker;
  run->guest = guest;
  run->deadline_ms = clock_ms() + route->wall_ns / 1000000;
  run->timer.fire = on_timer;
  lucet_limits limits = limits_of(route, run->deadline_ms);
  lucet_status status =
      lucet_instance_new(worker->server->guests.region, run->code->module, exchange, &limits, &run->instance);
  if (status != LUCET_OK) return status;
  atomic_fetch_add(&guest->runs, 1);
  size_t number = guest_number(&worker->server->guests, guest);
  if (turns_must_wait(&worker->turns, number, clock_ms()))
    turns_push(&worker->turns, run, number);
  else
    enter(run);
  return LUCET_OK;
}

void run_go(struct run *run) {
  lucet_outcome outcome = {0};
  lucet_value answer;
  bool suspended = run->suspended;
  timers_clear(&run->worker->timers, &run->timer);
  if (run->state == RUN_QUEUED && run->kind != LUCET_PREEMPTED) { /* has not begun yet */
    enter(run);
    return;
  }
  run->state = RUN_AT_WORK;
  run->suspended = false;
  if (suspended) answer = run->wait.answer(run);
  if (lucet_instance_resume(run->instance, suspended ? &answer : NULL, suspended, &outcome) != LUCET_OK)
    outcome.kind = LUCET_NOT_RUN;
  if (outcome.kind == LUCET_RETURNED && outcome.value_count == 1) run->result = outcome.values[0].of.i32;
  follow(run, outcome.kind);
}

void run_wake(struct run *run) {
  run_go(run);
  if (run->state == RUN_ENDED) worker_finish(run->worker, exchange_of_run(run));
}

void run_end(struct run *run) {
  if (run->state == RUN_QUEUED)
    turns_remove(&run->worker->turns, run, guest_number(&run->worker->server->guests, run->guest));
  if (run->worker) timers_clear(&run->worker->timers, &run->timer);
  for (size_t i = 0; i < RUN_MAX_FETCHES; i++)
    fetch_free(run->fetches[i]);
  if (run->instance) lucet_instance_release(run->instance);
  code_release(run->code);
  *run = (struct run){.state = RUN_NONE};
}

bool run_sleep(lucet_call *call, struct run *run, uint32_t ms, answer_function answer) {
  if (lucet_call_suspend(call, 0) != LUCET_OK) return false;
  run->wait.answer = answer;
  run->wait.fetch = NULL;
  if (!set_timer(run, clock_ms() + ms)) lucet_call_trap(call, LUCET_TRAP_HOST);
  return true;
}

bool run_wait_for(lucet_call *call, struct run *run, const struct fetch *fetch, answer_function answer) {
  if (lucet_call_suspend(call, 0) != LUCET_OK) return false;
  run->wait.answer = answer;
  run->wait.fetch = fetch;
  if (!set_timer(run, UINT64_MAX)) lucet_call_trap(call, LUCET_TRAP_HOST);
  return true;
}
