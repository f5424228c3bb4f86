/* queue.c: see queue.h. The dispatcher is one event, posted for the next pass of the loop as long as somebody
 * waits: then nginx looks for input without blocking, serves what has come, and calls it. */
#include "queue.h"

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

static void dispatch(ngx_event_t *event) {
  (void)event;
  take_slots();
  if (!ngx_queue_empty(&turns)) {
    struct guest *guest = ngx_queue_data(ngx_queue_head(&turns), struct guest, turn);
    struct run *run = ngx_queue_data(ngx_queue_head(&guest->runnable), struct run, queue);
    queue_remove(run);
    if (queue_has(guest)) { /* to the end of the line */
      ngx_queue_remove(&guest->turn);
      ngx_queue_insert_tail(&turns, &guest->turn);
    }
    run_wake(run);
  }
  if (!ngx_queue_empty(&turns)) post();
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
  run->state = RUN_QUEUED;
  post();
}

void queue_remove(struct run *run) {
  struct guest *guest = run->use->guest;
  ngx_queue_remove(&run->queue);
  if (ngx_queue_empty(&guest->runnable)) {
    ngx_queue_remove(&guest->turn);
  }
  run->state = RUN_MADE;
}

ngx_flag_t queue_has(const struct guest *guest) { return !ngx_queue_empty(&guest->runnable); }

static ngx_uint_t length(const ngx_queue_t *queue) {
  ngx_uint_t n = 0;
  for (const ngx_queue_t *q = queue->next; q != queue; q = q->next)
    n++;
  return n;
}

ngx_uint_t queue_length(void) {
  ngx_uint_t n = 0;
  for (const ngx_queue_t *q = turns.next; q != &turns; q = q->next)
    n += length(&(ngx_queue_data(q, struct guest, turn))->runnable);
  return n;
}

ngx_uint_t queue_slots_wanted(void) { return length(&slots); }

void queue_for_slot(struct run *run) {
  run->state = RUN_FOR_SLOT;
  ngx_queue_insert_tail(&slots, &run->queue);
}

void queue_leave(struct run *run) {
  ngx_queue_remove(&run->queue);
  run->state = RUN_MADE;
}

void queue_slot_is_free(void) {
  if (ngx_queue_empty(&slots)) return;
  free_slots++;
  post();
}
