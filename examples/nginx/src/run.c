/* run.c: see run.h. */
#include "run.h"

#include "access.h"
#include "content.h"
#include "counters.h"
#include "fetch.h"
#include "limits.h"
#include "queue.h"
#include "sleep.h"
#include "wait.h"
#include "worker.h"

const char *ending_name(enum ending ending) {
  static const char *const names[ENDINGS] = {"-",      "returned", "trap",    "cpu",   "timeout",
                                             "nested", "aborted",  "refused", "failed"};
  return names[ending];
}

/* How many guests are on the stack: one, or none. */
static ngx_uint_t active;

ngx_flag_t run_is_active(void) { return active > 0; }

void run_set_state(struct run *run, enum run_state state) {
  static const int gauges[] = {[RUN_FOR_SLOT] = 1 + GAUGE_WITHOUT_SLOT,
                               [RUN_QUEUED] = 1 + GAUGE_QUEUED,
                               [RUN_WAITING] = 1 + GAUGE_WAITING,
                               [RUN_DONE] = 0};
  if (gauges[run->state]) gauge((enum gauge)(gauges[run->state] - 1), -1);
  if (gauges[state]) gauge((enum gauge)(gauges[state] - 1), 1);
  run->state = state;
}

struct run *run_make(ngx_http_request_t *r, const struct use *use, enum run_kind kind) {
  struct run *run = ngx_pcalloc(r->pool, sizeof *run);
  if (!run) return NULL;
  run->r = r;
  run->main = ngx_http_get_module_main_conf(r, ngx_http_lucet_module);
  run->conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  run->use = use;
  run->kind = kind;
  run->status = NGX_HTTP_OK;
  run->started = ngx_current_msec;
  run->deadline = run->started + run->conf->timeout;
  return run;
}

/* By its place in the request's pool a run is found again after an internal redirect. */
static void remember(void *data) { (void)data; }

ngx_int_t run_wait(lucet_call *call, struct run *run, enum wait_kind kind, answer_function answer) {
  if (!run_may_wait(run) || lucet_call_suspend(call, kind) != LUCET_OK) return NGX_ERROR;
  run->wait.kind = kind;
  run->wait.answer = answer;
  return NGX_OK;
}

static ngx_int_t ended(struct run *run, enum ending ending) {
  run_end(run, ending);
  return NGX_OK;
}

static enum ending why_terminated(const lucet_outcome *outcome) {
  switch (outcome->detail) {
  case LUCET_STOP_CPU:
    return END_CPU;
  case LUCET_STOP_DEADLINE:
    return END_TIME;
  case LUCET_STOP_NESTED:
    return END_NESTED;
  default:
    return END_FAILED;
  }
}

static void log_fault(struct run *run) {
  char text[512];
  ngx_log_t *log = run->r->connection->log;
  if (log->log_level < run->conf->trap_log) return;
  lucet_instance_describe(run->instance, text, sizeof text);
  ngx_log_error(run->conf->trap_log, log, 0, "lucet: guest \"%V\": %s", &run->use->name, text);
}

/* Goes on after a suspension with its answer, or after the end of a slice with NULL. */
static uint32_t resume(struct run *run, const lucet_value *answer) {
  lucet_outcome outcome;
  run_set_state(run, RUN_ACTIVE);
  run->suspended = 0;
  limits_enter(run);
  active++;
  lucet_status status = lucet_instance_resume(run->instance, answer, answer != NULL, &outcome);
  active--;
  if (status != LUCET_OK) return LUCET_NOT_RUN;
  if (outcome.kind == LUCET_RETURNED && outcome.value_count == 1) run->result = outcome.values[0].of.i32;
  return outcome.kind;
}

/* Does what an outcome asks for, until the guest waits or has ended. */
static ngx_int_t follow(struct run *run, uint32_t kind) {
  for (;;) {
    lucet_outcome outcome;
    lucet_value answer;
    ngx_int_t rc;
    ngx_flag_t trusted = run->trusted;
    if (limits_leave(run, kind) != NGX_OK) kind = LUCET_NOT_RUN;
    switch (kind) {
    case LUCET_RETURNED:
      if (run->kind != RUN_BODY_FILTER) return ended(run, END_RETURNED);
      run_set_state(run, RUN_MADE); /* its instance is for all pieces */
      return NGX_OK;
    case LUCET_SUSPENDED:
      rc = wait_begin(run);
      if (rc != NGX_OK) return rc == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
      answer = run->wait.answer(run);
      kind = resume(run, &answer);
      break;
    case LUCET_PREEMPTED:
      if (trusted || run->sliced) queue_slow(run->use->guest);
      run->sliced = 1;
      count(run->use->guest, COUNT_SLICES);
      return wait_for_turn(run) == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
    case LUCET_TRAPPED:
      log_fault(run);
      if (lucet_instance_outcome(run->instance, &outcome) == LUCET_OK) run->trap = outcome.detail;
      if (run->trap < TRAPS) count(run->use->guest, COUNT_TRAPS + run->trap);
      return ended(run, END_TRAP);
    case LUCET_TERMINATED:
      queue_slow(run->use->guest);
      log_fault(run);
      if (lucet_instance_outcome(run->instance, &outcome) != LUCET_OK) return ended(run, END_FAILED);
      return ended(run, why_terminated(&outcome));
    default:
      ngx_log_error(NGX_LOG_ERR, run->r->connection->log, 0, "lucet: guest \"%V\" was not run: %s",
                    &run->use->name, lucet_last_error());
      return ended(run, END_FAILED);
    }
  }
}

static ngx_int_t enter(struct run *run) {
  run_set_state(run, RUN_ACTIVE);
  limits_enter(run);
  active++;
  uint32_t kind = run->use->enter(run->instance, &run->result);
  active--;
  return follow(run, kind);
}

/* Takes a slot. NGX_OK: has it; NGX_AGAIN: waits for one; NGX_DONE: has ended. */
static ngx_int_t take_slot(struct run *run) {
  lucet_limits limits = limits_of_new(run);
  lucet_region *region = worker_region(run->main);
  lucet_status status =
      region ? lucet_instance_new(region, run->use->guest->module, run, &limits, &run->instance)
             : LUCET_UNSUPPORTED;
  if (status == LUCET_OK) {
    count(run->use->guest, COUNT_STARTED);
    gauge(GAUGE_LIVE, 1);
    worker_at_work(run->main);
    return NGX_OK;
  }
  if (status == LUCET_REGION_FULL && run->conf->pool_wait && run_may_wait(run)) return wait_for_slot(run);
  if (region && status != LUCET_REGION_FULL)
    ngx_log_error(NGX_LOG_ERR, run->r->connection->log, 0, "lucet: no instance of \"%V\": %s",
                  &run->use->name, lucet_last_error());
  run_end(run, status == LUCET_REGION_FULL ? END_REFUSED : END_FAILED);
  return NGX_DONE;
}

/* Enters the guest for the first time. */
static ngx_int_t begin(struct run *run) {
  ngx_int_t rc = take_slot(run);
  if (rc != NGX_OK) return rc == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
  return enter(run);
}

ngx_int_t run_prepare(struct run *run) {
  if (take_slot(run) != NGX_OK) return NGX_ERROR;
  if (wait_tie(run) == NGX_OK) return NGX_OK;
  run_end(run, END_FAILED);
  return NGX_ERROR;
}

ngx_int_t run_start(struct run *run) {
  /* A slow guest gets no slice out of its turn: however many requests are sent to it, it has its share of the
   * time and no more. */
  if (run_may_wait(run) && queue_must_wait(run->use->guest))
    return wait_for_turn(run) == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
  return begin(run);
}

ngx_int_t run_again(struct run *run) {
  return limits_of_piece(run) == NGX_OK ? enter(run) : ended(run, END_FAILED);
}

ngx_int_t run_go(struct run *run) {
  lucet_value answer;
  if (run->timer.timer_set) ngx_del_timer(&run->timer);
  if (!run->instance) return begin(run);
  if (!run->suspended) return follow(run, limits_of_turn(run) == NGX_OK ? resume(run, NULL) : LUCET_NOT_RUN);
  answer = run->wait.answer(run);
  return follow(run, resume(run, &answer));
}

void run_wake(struct run *run) {
  ngx_connection_t *c = run->r->connection;
  ngx_http_set_log_request(c->log, run->r);
  if (!run_has_request(run)) {
    run_end(run, END_ABORTED);
    return;
  }
  if (run_go(run) != NGX_AGAIN) run->kind == RUN_CONTENT ? content_settle(run) : access_settle(run);
  ngx_http_run_posted_requests(c);
}

void run_end(struct run *run, enum ending ending) {
  static const enum counter counters[ENDINGS] = {
      [END_RETURNED] = COUNT_RETURNED, [END_TRAP] = COUNT_TRAPPED,  [END_CPU] = COUNT_CPU,
      [END_TIME] = COUNT_TIME,         [END_NESTED] = COUNT_NESTED, [END_ABORTED] = COUNT_ABORTED,
      [END_REFUSED] = COUNT_REFUSED,   [END_FAILED] = COUNT_FAILED};
  ngx_flag_t at_work = run->state == RUN_ACTIVE;
  if (run->state == RUN_DONE) return;
  if (run->state == RUN_QUEUED) queue_remove(run);
  if (run->state == RUN_FOR_SLOT) queue_leave(run);
  sleep_forget(run);
  if (run->timer.timer_set) ngx_del_timer(&run->timer);
  run_set_state(run, RUN_DONE);
  run->ending = ending;
  count(run->use->guest, counters[ending]);
  fetch_end_all(run);
  if (run->instance) {
    run->used = lucet_instance_stats_default();
    if (lucet_instance_get_stats(run->instance, &run->used) != LUCET_OK) run->used.struct_size = 0;
    if (lucet_instance_release(run->instance) != LUCET_OK)
      ngx_log_error(NGX_LOG_ALERT, run->r->connection->log, 0, "lucet: an instance stays: %s",
                    lucet_last_error());
    run->instance = NULL;
    gauge(GAUGE_LIVE, -1);
    queue_slot_is_free();
    if (at_work) queue_took(run->use->guest, limits_since_entry(run)); /* with what it took to clean up */
  }
  if (ending == END_RETURNED && run->result == 0) return;
  ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(run->r->pool, 0);
  if (!cleanup) return;
  cleanup->handler = remember;
  cleanup->data = run;
}

ngx_flag_t run_has_request(const struct run *run) {
  return ngx_http_get_module_ctx(run->r, ngx_http_lucet_module) == run &&
         (run->header_sent || !run->r->header_sent);
}

void run_lost_request(struct run *run) {
  if (run_is_waiting(run) && run_may_wait(run) && !run->header_sent) run_end(run, END_ABORTED);
}

struct run *run_of_request(ngx_http_request_t *r) {
  struct run *run = ngx_http_get_module_ctx(r, ngx_http_lucet_module);
  for (ngx_pool_cleanup_t *cleanup = r->pool->cleanup; !run && cleanup; cleanup = cleanup->next)
    if (cleanup->handler == remember) run = cleanup->data;
  return run;
}

ngx_int_t run_verdict(struct run *run) {
  switch (run->ending) {
  case END_RETURNED:
    return NGX_OK;
  case END_CPU:
  case END_TIME:
  case END_NESTED:
    return NGX_HTTP_GATEWAY_TIME_OUT;
  case END_REFUSED:
    ngx_log_error(NGX_LOG_ERR, run->r->connection->log, 0, "lucet: no free instance for \"%V\" (lucet_pool)",
                  &run->use->name);
    return NGX_HTTP_SERVICE_UNAVAILABLE;
  case END_TRAP:
    return (ngx_int_t)run->conf->trap_status;
  case END_ABORTED:
    return run->access_rc ? run->access_rc : NGX_ERROR;
  default:
    return run->main->region_failed ? NGX_HTTP_SERVICE_UNAVAILABLE : NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
}
