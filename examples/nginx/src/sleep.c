/* sleep.c: see sleep.h. A wheel: time is cut into ticks, and whoever is to go on at a tick is in the list
 * that belongs to it, and to each 512th before and after it. One timer of the kernel's, a descriptor among
 * those that nginx watches, is set for the first tick that has somebody: where guests sleep by the hundred,
 * it is set once for many of them. */
#include "sleep.h"

#include "wait.h"

#include <ngx_channel.h>
#include <sys/timerfd.h>

/* SHORT milliseconds are less than SPOKES ticks. */
enum { TICK_NS = 1 << 16, SPOKES = 512, SHORT_MS = 32 };

static ngx_queue_t wheel[SPOKES];
static ngx_uint_t asleep;
static uint64_t reached; /* the wheel has been turned so far */
static uint64_t armed;   /* the tick at which the timer fires; 0: it is not set */
static int descriptor = -1;
/* nginx ends a worker that has nothing left to do when no timer is left but those that are `cancelable`. This
 * one never does anything. */
static ngx_event_t keeper;

static void arm(uint64_t tick) {
  const uint64_t second = 1000000000, at_ns = tick * TICK_NS;
  struct itimerspec at = {.it_value = {(time_t)(at_ns / second), (long)(at_ns % second)}};
  if (armed && armed <= tick) return;
  armed = tick;
  timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Takes note that the timer has fired, as setting it again does. */
static void silence(void) {
  uint64_t times;
  if (read(descriptor, &times, sizeof times) < 0 && ngx_errno != NGX_EAGAIN)
    ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno, "lucet: the timer for guests that sleep");
}

static uint64_t tick_of(const struct run *run) { return (run->wakes_ns + TICK_NS - 1) / TICK_NS; }

/* Wakes those of a list whose tick has come. Who sleeps again is not among them. */
static void wake(ngx_queue_t *spoke, uint64_t now) {
  ngx_queue_t due, *next;
  ngx_queue_init(&due);
  for (ngx_queue_t *link = ngx_queue_head(spoke); link != ngx_queue_sentinel(spoke); link = next) {
    next = ngx_queue_next(link);
    if (tick_of(ngx_queue_data(link, struct run, queue)) > now) continue;
    ngx_queue_remove(link);
    ngx_queue_insert_tail(&due, link);
  }
  while (!ngx_queue_empty(&due)) { /* anybody may go away while another is at work */
    struct run *run = ngx_queue_data(ngx_queue_head(&due), struct run, queue);
    sleep_forget(run);
    wait_look(run);
  }
}

static void on_timer(ngx_event_t *event) {
  uint64_t now = now_ns() / TICK_NS, from = reached + 1;
  (void)event;
  armed = 0;
  reached = now;
  if (now >= SPOKES && from < now - SPOKES + 1) from = now - SPOKES + 1; /* once around */
  for (uint64_t tick = from; tick <= now && asleep; tick++)
    wake(&wheel[tick % SPOKES], now);
  for (uint64_t tick = now + 1; tick <= now + SPOKES && asleep; tick++)
    if (!ngx_queue_empty(&wheel[tick % SPOKES])) {
      arm(tick);
      break;
    }
  if (!armed) silence();
}

static void on_keeper(ngx_event_t *event) { ngx_add_timer(event, 86400000); }

ngx_int_t sleep_init(ngx_cycle_t *cycle) {
  for (ngx_uint_t i = 0; i < SPOKES; i++) { /* nginx's macros are several statements */
    ngx_queue_init(&wheel[i]);
  }
  asleep = 0;
  armed = 0;
  reached = now_ns() / TICK_NS;
  descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (descriptor >= 0 && ngx_add_channel_event(cycle, descriptor, NGX_READ_EVENT, on_timer) == NGX_OK)
    return NGX_OK;
  ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "lucet: no timer for guests that sleep");
  return NGX_ERROR;
}

static void keep(ngx_flag_t worker) {
  keeper.cancelable = !worker;
  if (keeper.timer_set) return;
  keeper.handler = on_keeper;
  keeper.log = ngx_cycle->log;
  on_keeper(&keeper);
}

ngx_msec_t sleep_begin(struct run *run, uint32_t milliseconds) {
  const uint64_t ms = 1000000;
  run->wakes_ns = now_ns() + milliseconds * ms;
  ngx_flag_t in_time = !run->conf->timeout || run->wakes_ns < run->deadline * ms;
  if (milliseconds > SHORT_MS || !in_time) return (run->wakes_ns + ms - 1) / ms - ngx_current_msec;
  run->sleeps = 1;
  if (asleep++ == 0) keep(1);
  ngx_queue_insert_tail(&wheel[tick_of(run) % SPOKES], &run->queue);
  arm(tick_of(run));
  return 0;
}

ngx_flag_t sleep_is_over(const struct run *run) { return now_ns() >= run->wakes_ns; }

void sleep_forget(struct run *run) {
  if (!run->sleeps) return;
  run->sleeps = 0;
  ngx_queue_remove(&run->queue);
  if (--asleep == 0) keep(0);
}
