/* wait.c: see wait.h. */
#include "wait.h"

#include "access.h"
#include "body.h"
#include "content.h"
#include "counters.h"
#include "fetch.h"
#include "queue.h"
#include "response.h"
#include "sleep.h"

/* Longer than anything here lasts. */
enum { NO_END = 86400000 };

/* The request is over: its cleanup handler. */
static void on_abort(void *data) { run_end(data, END_ABORTED); }

ngx_int_t wait_tie(struct run *run) {
  if (run->guarded) return NGX_OK;
  ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(run->r, 0);
  if (!cleanup) return NGX_ERROR;
  cleanup->handler = on_abort;
  cleanup->data = run;
  run->guarded = 1;
  return NGX_OK;
}

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

void wait_look(struct run *run) {
  ngx_connection_t *c = run->r->connection;
  ngx_flag_t late = run->conf->timeout && ngx_current_msec >= run->deadline;
  ngx_flag_t slept = run->state == RUN_WAITING && run->wait.kind == WAIT_SLEEP && sleep_is_over(run);
  if (!run_has_request(run)) {
    run_end(run, END_ABORTED);
    return;
  }
  if (slept && !late) {
    run_wake(run);
    return;
  }
  if (!late && run->state != RUN_FOR_SLOT) { /* it is something else that wakes this one */
    set_timer(run, NO_END);
    return;
  }
  ngx_http_set_log_request(c->log, run->r);
  if (run->instance)
    ngx_log_error(run->conf->trap_log, c->log, 0, "lucet: guest \"%V\": %s beyond lucet_timeout",
                  &run->use->name, run->state == RUN_QUEUED ? "ran" : "waited");
  run_end(run, run->state == RUN_FOR_SLOT ? END_REFUSED : END_TIME);
  run->kind == RUN_CONTENT ? content_settle(run) : access_settle(run);
  ngx_http_run_posted_requests(c);
}

static void on_timer(ngx_event_t *event) { wait_look(event->data); }

/* Before a run leaves nginx's stack with its guest alive. */
static ngx_int_t guard(struct run *run) {
  ngx_http_request_t *r = run->r;
  if (wait_tie(run) != NGX_OK) return NGX_ERROR;
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

static ngx_int_t failed(struct run *run) {
  run_end(run, END_FAILED);
  return NGX_DONE;
}

ngx_int_t wait_for_turn(struct run *run) {
  queue_push(run);
  if (guard(run) != NGX_OK) return failed(run);
  set_timer(run, NO_END);
  return NGX_AGAIN;
}

ngx_int_t wait_for_slot(struct run *run) {
  queue_for_slot(run);
  if (guard(run) != NGX_OK) return failed(run);
  ngx_add_timer(&run->timer, run->conf->pool_wait);
  return NGX_AGAIN;
}

ngx_int_t wait_begin(struct run *run) {
  ngx_int_t rc = NGX_OK;
  run_set_state(run, RUN_WAITING);
  run->suspended = 1;
  count(run->use->guest, COUNT_SUSPENSIONS);
  switch (run->wait.kind) {
  case WAIT_SLEEP:
    if (run->wait.length == 0) return wait_for_turn(run);
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
    if (wait_is_over(run)) return NGX_OK;
    break;
  case WAIT_FETCH:
    if (wait_is_over(run)) return NGX_OK;
    break;
  }
  if (guard(run) != NGX_OK) return failed(run);
  ngx_msec_t left = run->wait.kind == WAIT_SLEEP ? sleep_begin(run, run->wait.length) : NO_END;
  if (left) set_timer(run, left);
  return NGX_AGAIN;
}

ngx_flag_t wait_is_over(struct run *run) {
  switch (run->wait.kind) {
  case WAIT_SLEEP:
    return 0; /* sleep.c says */
  case WAIT_BODY:
    return run->body_read;
  case WAIT_OUTPUT:
    return response_is_taken(run);
  case WAIT_FETCH:
    return fetch_is_done(run, run->wait.fetch);
  }
  return 0;
}
