/* run.c: see run.h. */
#include "run.h"

#include "access.h"
#include "body.h"
#include "content.h"
#include "counters.h"
#include "fetch.h"
#include "queue.h"
#include "response.h"
#include "worker.h"

const char *ending_name(enum ending ending) {
  static const char *const names[ENDINGS] = {"-",      "returned", "trap",    "cpu",   "timeout",
                                             "nested", "aborted",  "refused", "failed"};
  return names[ending];
}

/* Longer than anything here lasts. */
enum { NO_END = 86400000 };

/* How many guests are on the stack: one, or none. */
static ngx_uint_t active;

ngx_flag_t run_is_active(void) { return active > 0; }

static ngx_flag_t may_wait(const struct run *run) { return run->kind <= RUN_ACCESS; }

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

/* ---- what goes on when the guest does not ---- */

/* The request is over: its cleanup handler. */
static void on_abort(void *data) { run_end(data, END_ABORTED); }

/* By its place in the request's pool a run is found again after an internal redirect. */
static void remember(void *data) { (void)data; }

/* Sets the timer of a run that waits or is in the queue. There always is one: nginx takes a worker without
 * timers for one that has nothing left to do. */
static void set_timer(struct run *run, ngx_msec_t at_most) {
  ngx_msec_t ms = at_most;
  if (run->conf->timeout) {
    ngx_msec_t left = run->deadline > ngx_current_msec ? run->deadline - ngx_current_msec : 0;
    if (left < ms) ms = left;
  }
  ngx_add_timer(&run->timer, ms);
}

static void on_timer(ngx_event_t *event) {
  struct run *run = event->data;
  ngx_connection_t *c = run->r->connection;
  if (run->state == RUN_QUEUED && !run->conf->timeout) {
    set_timer(run, NO_END);
    return;
  }
  if (run->state == RUN_FOR_SLOT || (run->conf->timeout && ngx_current_msec >= run->deadline)) {
    ngx_http_set_log_request(c->log, run->r);
    if (run->instance)
      ngx_log_error(run->conf->trap_log, c->log, 0, "lucet: guest \"%V\": %s beyond lucet_timeout",
                    &run->use->name, run->state == RUN_QUEUED ? "ran" : "waited");
    run_end(run, run->state == RUN_FOR_SLOT ? END_REFUSED : END_TIME);
    run->kind == RUN_CONTENT ? content_settle(run) : access_settle(run);
    ngx_http_run_posted_requests(c);
    return;
  }
  run_wake(run);
}

/* Sees to it that the guest does not outlive its request. */
static ngx_int_t tie(struct run *run) {
  if (run->guarded) return NGX_OK;
  ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(run->r, 0);
  if (!cleanup) return NGX_ERROR;
  cleanup->handler = on_abort;
  cleanup->data = run;
  run->guarded = 1;
  return NGX_OK;
}

/* Before a run leaves nginx's stack with its guest alive. */
static ngx_int_t guard(struct run *run) {
  ngx_http_request_t *r = run->r;
  if (tie(run) != NGX_OK) return NGX_ERROR;
  run->timer.handler = on_timer;
  run->timer.data = run;
  run->timer.log = r->connection->log;
  r->write_event_handler = run->kind == RUN_CONTENT ? content_on_write : ngx_http_core_run_phases;
  /* A client that goes away ends its guest at once. While a body is read, nginx watches the connection
   * itself. */
  ngx_flag_t reading = run->state == RUN_WAITING && run->wait.kind == WAIT_BODY;
  if (r == r->main && run->conf->check_abort && !reading) r->read_event_handler = ngx_http_test_reading;
  return NGX_OK;
}

static ngx_int_t put_in_queue(struct run *run) {
  queue_push(run);
  if (guard(run) != NGX_OK) {
    run_end(run, END_FAILED);
    return NGX_OK;
  }
  set_timer(run, NO_END);
  return NGX_AGAIN;
}

static ngx_int_t wait_for_slot(struct run *run) {
  queue_for_slot(run);
  if (guard(run) != NGX_OK) {
    run_end(run, END_FAILED);
    return NGX_OK;
  }
  ngx_add_timer(&run->timer, run->conf->pool_wait);
  return NGX_AGAIN;
}

ngx_int_t run_wait(lucet_call *call, struct run *run, enum wait_kind kind, answer_function answer) {
  if (!may_wait(run) || lucet_call_suspend(call, kind) != LUCET_OK) return NGX_ERROR;
  run->wait.kind = kind;
  run->wait.answer = answer;
  return NGX_OK;
}

/* Begins what the guest was suspended for. NGX_OK: that is over already; NGX_AGAIN: the run waits; NGX_DONE:
 * it has ended. */
static ngx_int_t begin_wait(struct run *run) {
  ngx_int_t rc = NGX_OK;
  run->state = RUN_WAITING;
  run->suspended = 1;
  count(run->main, run->use->guest, COUNT_SUSPENSIONS);
  switch (run->wait.kind) {
  case WAIT_SLEEP:
    if (run->wait.length == 0) return put_in_queue(run) == NGX_AGAIN ? NGX_AGAIN : NGX_DONE;
    break;
  case WAIT_BODY:
    rc = body_begin(run);
    if (rc == NGX_OK) return NGX_OK;
    if (rc != NGX_AGAIN) {
      run->access_rc = rc;
      run_end(run, END_ABORTED);
      return NGX_DONE;
    }
    break;
  case WAIT_OUTPUT:
    rc = response_push(run);
    if (rc == NGX_ERROR) {
      run_end(run, END_ABORTED);
      return NGX_DONE;
    }
    if (run_is_ready(run)) return NGX_OK;
    break;
  case WAIT_FETCH:
    if (run_is_ready(run)) return NGX_OK;
    break;
  }
  if (guard(run) != NGX_OK) {
    run_end(run, END_FAILED);
    return NGX_DONE;
  }
  set_timer(run, run->wait.kind == WAIT_SLEEP ? run->wait.length : NO_END);
  return NGX_AGAIN;
}

ngx_flag_t run_is_ready(struct run *run) {
  switch (run->wait.kind) {
  case WAIT_SLEEP:
    return 0; /* its timer says */
  case WAIT_BODY:
    return run->body_read;
  case WAIT_OUTPUT:
    return response_is_taken(run);
  case WAIT_FETCH:
    return fetch_is_done(run, run->wait.fetch);
  }
  return 0;
}

/* ---- into the guest and out ---- */

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
  run->state = RUN_ACTIVE;
  run->suspended = 0;
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
    switch (kind) {
    case LUCET_RETURNED:
      if (run->kind != RUN_BODY_FILTER) return ended(run, END_RETURNED);
      run->state = RUN_MADE; /* its instance is for all pieces */
      return NGX_OK;
    case LUCET_SUSPENDED:
      rc = begin_wait(run);
      if (rc != NGX_OK) return rc == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
      answer = run->wait.answer(run);
      kind = resume(run, &answer);
      break;
    case LUCET_PREEMPTED:
      if (run->sliced) queue_slow(run->use->guest);
      run->sliced = 1;
      count(run->main, run->use->guest, COUNT_SLICES);
      return put_in_queue(run);
    case LUCET_TRAPPED:
      log_fault(run);
      if (lucet_instance_outcome(run->instance, &outcome) == LUCET_OK) run->trap = outcome.detail;
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

static lucet_limits limits_of(const struct run *run) {
  lucet_limits limits = run->conf->limits;
  if (!may_wait(run)) {
    limits.cpu_ns = run->conf->filter_cpu_ns;
    limits.slice_ns = 0;
  }
  /* nginx's clock is CLOCK_MONOTONIC's, in milliseconds. */
  if (run->conf->timeout && run->kind != RUN_BODY_FILTER)
    limits.deadline_ns = run->deadline * UINT64_C(1000000);
  return limits;
}

static ngx_int_t enter(struct run *run) {
  run->state = RUN_ACTIVE;
  active++;
  uint32_t kind = run->use->enter(run->instance, &run->result);
  active--;
  return follow(run, kind);
}

/* Takes a slot. NGX_OK: has it; NGX_AGAIN: waits for one; NGX_DONE: has ended. */
static ngx_int_t take_slot(struct run *run) {
  lucet_limits limits = limits_of(run);
  lucet_region *region = worker_region(run->main);
  lucet_status status =
      region ? lucet_instance_new(region, run->use->guest->module, run, &limits, &run->instance)
             : LUCET_UNSUPPORTED;
  if (status == LUCET_OK) {
    count(run->main, run->use->guest, COUNT_STARTED);
    return NGX_OK;
  }
  if (status == LUCET_REGION_FULL && run->conf->pool_wait && may_wait(run))
    return wait_for_slot(run) == NGX_AGAIN ? NGX_AGAIN : NGX_DONE;
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
  if (tie(run) == NGX_OK) return NGX_OK;
  run_end(run, END_FAILED);
  return NGX_ERROR;
}

ngx_int_t run_start(struct run *run) {
  /* A slow guest gets no slice out of its turn: however many requests are sent to it, it has its share of the
   * time and no more. */
  if (may_wait(run) && queue_must_wait(run->use->guest)) return put_in_queue(run);
  return begin(run);
}

ngx_int_t run_again(struct run *run) {
  /* Each piece has lucet_filter_cpu. */
  lucet_limits limits = limits_of(run);
  lucet_instance_stats used = lucet_instance_stats_default();
  if (limits.cpu_ns && lucet_instance_get_stats(run->instance, &used) == LUCET_OK)
    limits.cpu_ns += used.cpu_ns;
  if (lucet_instance_set_limits(run->instance, &limits) != LUCET_OK) return ended(run, END_FAILED);
  return enter(run);
}

ngx_int_t run_go(struct run *run) {
  lucet_value answer;
  if (run->timer.timer_set) ngx_del_timer(&run->timer);
  if (!run->instance) return begin(run);
  if (!run->suspended) return follow(run, resume(run, NULL));
  answer = run->wait.answer(run);
  return follow(run, resume(run, &answer));
}

void run_wake(struct run *run) {
  ngx_connection_t *c = run->r->connection;
  ngx_http_set_log_request(c->log, run->r);
  if (run_go(run) != NGX_AGAIN) run->kind == RUN_CONTENT ? content_settle(run) : access_settle(run);
  ngx_http_run_posted_requests(c);
}

void run_end(struct run *run, enum ending ending) {
  static const enum counter counters[ENDINGS] = {
      [END_RETURNED] = COUNT_RETURNED, [END_TRAP] = COUNT_TRAPPED,  [END_CPU] = COUNT_CPU,
      [END_TIME] = COUNT_TIME,         [END_NESTED] = COUNT_NESTED, [END_ABORTED] = COUNT_ABORTED,
      [END_REFUSED] = COUNT_REFUSED,   [END_FAILED] = COUNT_FAILED};
  if (run->state == RUN_DONE) return;
  if (run->state == RUN_QUEUED) queue_remove(run);
  if (run->state == RUN_FOR_SLOT) queue_leave(run);
  if (run->timer.timer_set) ngx_del_timer(&run->timer);
  run->state = RUN_DONE;
  run->ending = ending;
  count(run->main, run->use->guest, counters[ending]);
  if (run->instance) {
    run->used = lucet_instance_stats_default();
    if (lucet_instance_get_stats(run->instance, &run->used) != LUCET_OK) run->used.struct_size = 0;
    if (lucet_instance_release(run->instance) != LUCET_OK)
      ngx_log_error(NGX_LOG_ALERT, run->r->connection->log, 0, "lucet: an instance stays: %s",
                    lucet_last_error());
    run->instance = NULL;
    queue_slot_is_free();
  }
  if (ending == END_RETURNED && run->result == 0) return;
  ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(run->r->pool, 0);
  if (!cleanup) return;
  cleanup->handler = remember;
  cleanup->data = run;
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
