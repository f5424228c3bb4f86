/* queue.c: see queue.h. The dispatcher is one event, posted for the next pass of the loop as long as somebody
 * waits: then nginx looks for input without blocking, serves what has come, and calls it. */
#include "queue.h"

/* A long run outweighs so many short ones, and three in a row are enough: the worker of a busy machine is
 * taken off its processor in the middle of a short run now and then. */
enum { SLOW_FOR = 1000, LONG_NS = 1000000, LONG_SCORE = 64, SLOW_SCORE = 128, MOST_SCORE = 256 };

/* A pass of the loop that takes longer than a look for input, which has found nothing, has served somebody.
 * The end of a slice costs some microseconds. */
enum { SHORT_SLICE_NS = 200000, LEAST_SLICE_NS = 100000, BUSY_PASS_NS = 5000, CROWDED_FOR_NS = 20000000 };

static uint64_t left_ns;          /* when the dispatcher was left, if it is posted; or 0 */
static uint64_t crowded_until_ns; /* others are served */
static uint64_t turn_ends_ns;     /* during a turn; or 0 */

static ngx_queue_t turns; /* of guests with runs, the next one first */
static ngx_queue_t slots; /* of runs without a slot */
static ngx_uint_t free_slots;
static ngx_event_t dispatcher;

static void post(void) {
  dispatcher.log = ngx_cycle->log;
  ngx_post_event(&dispatcher, &ngx_posted_next_events);
}

static void take_slots(void) {
  while (free_slots > 0 && !ngx_queue_empty(&slots)) {
    struct run *run = ngx_queue_data(ngx_queue_head(&slots), struct run, queue);
    free_slots--;
    queue_leave(run);
    run_wake(run);
  }
  free_slots = 0;
}

/* Runs of a guest, one after the other, until a slice of time is over: what one leaves of it is the next
 * one's.
 */
static void run_turn(struct guest *guest) {
  ngx_queue_remove(&guest->turn); /* to the end of the line */
  ngx_queue_insert_tail(&turns, &guest->turn);
  while (!ngx_queue_empty(&guest->runnable)) {
    struct run *run = ngx_queue_data(ngx_queue_head(&guest->runnable), struct run, queue);
    if (!turn_ends_ns) turn_ends_ns = now_ns() + queue_slice(run->conf->slice_ns);
    queue_remove(run);
    run_wake(run);
    if (now_ns() + LEAST_SLICE_NS > turn_ends_ns) break;
  }
  turn_ends_ns = 0;
}

static void dispatch(ngx_event_t *event) {
  uint64_t now = now_ns();
  (void)event;
  if (left_ns && now - left_ns > BUSY_PASS_NS) crowded_until_ns = now + CROWDED_FOR_NS;
  take_slots();
  if (!ngx_queue_empty(&turns)) run_turn(ngx_queue_data(ngx_queue_head(&turns), struct guest, turn));
  left_ns = 0;
  if (ngx_queue_empty(&turns)) return;
  left_ns = now_ns();
  post();
}

uint64_t queue_slice(uint64_t most) {
  uint64_t now = now_ns();
  if (turn_ends_ns) return ngx_min(most, ngx_max(turn_ends_ns, now + LEAST_SLICE_NS) - now);
  return now < crowded_until_ns ? ngx_min(most, (uint64_t)SHORT_SLICE_NS) : most;
}

void queue_init(void) {
  ngx_queue_init(&turns);
  ngx_queue_init(&slots);
  dispatcher.handler = dispatch;
}

void queue_push(struct run *run) {
  struct guest *guest = run->use->guest;
  if (ngx_queue_empty(&guest->runnable)) { /* nginx's macros are several statements */
    ngx_queue_insert_tail(&turns, &guest->turn);
  }
  ngx_queue_insert_tail(&guest->runnable, &run->queue);
  run_set_state(run, RUN_QUEUED);
  post();
}

void queue_remove(struct run *run) {
  struct guest *guest = run->use->guest;
  ngx_queue_remove(&run->queue);
  if (ngx_queue_empty(&guest->runnable)) {
    ngx_queue_remove(&guest->turn);
  }
  run_set_state(run, RUN_MADE);
}

void queue_slow(struct guest *guest) { guest->slow_until = ngx_current_msec + SLOW_FOR; }

void queue_took(struct guest *guest, uint64_t ns) {
  if (ns >= LONG_NS)
    guest->score = ngx_min(guest->score + LONG_SCORE, MOST_SCORE);
  else if (guest->score > 0)
    guest->score--;
  if (guest->score > SLOW_SCORE) queue_slow(guest);
}

ngx_flag_t queue_must_wait(const struct guest *guest) { return ngx_current_msec < guest->slow_until; }

void queue_for_slot(struct run *run) {
  run_set_state(run, RUN_FOR_SLOT);
  ngx_queue_insert_tail(&slots, &run->queue);
}

void queue_leave(struct run *run) {
  ngx_queue_remove(&run->queue);
  run_set_state(run, RUN_MADE);
}

void queue_slot_is_free(void) {
  if (ngx_queue_empty(&slots)) return;
  free_slots++;
  post();
}
