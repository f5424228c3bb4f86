/* timers.c: see timers.h. */
#include "timers.h"

#include <stdlib.h>

static void put(struct timers *timers, size_t place, struct timer *timer) {
  timers->heap[place] = timer;
  timer->place = place;
}

static void sift_up(struct timers *timers, struct timer *timer, size_t place) {
  for (; place > 1 && timers->heap[place / 2]->at_ms > timer->at_ms; place /= 2)
    put(timers, place, timers->heap[place / 2]);
  put(timers, place, timer);
}

static void sift_down(struct timers *timers, struct timer *timer, size_t place) {
  for (;;) {
    size_t child = 2 * place;
    if (child > timers->count) break;
    if (child < timers->count && timers->heap[child + 1]->at_ms < timers->heap[child]->at_ms) child++;
    if (timers->heap[child]->at_ms >= timer->at_ms) break;
    put(timers, place, timers->heap[child]);
    place = child;
  }
  put(timers, place, timer);
}

bool timers_set(struct timers *timers, struct timer *timer, uint64_t at_ms) {
  timers_clear(timers, timer);
  if (timers->count + 2 > timers->capacity) {
    size_t capacity = timers->capacity ? 2 * timers->capacity : 64;
    struct timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap) return false;
    timers->heap = heap;
    timers->capacity = capacity;
  }
  timer->at_ms = at_ms;
  sift_up(timers, timer, ++timers->count);
  return true;
}

void timers_clear(struct timers *timers, struct timer *timer) {
  size_t place = timer->place;
  if (place == 0) return;
  struct timer *last = timers->heap[timers->count--];
  timer->place = 0;
  if (last == timer) return;
  sift_down(timers, last, place);
  sift_up(timers, last, last->place);
}

void timers_run(struct timers *timers, uint64_t now_ms) {
  while (timers->count > 0 && timers->heap[1]->at_ms <= now_ms) {
    struct timer *timer = timers->heap[1];
    timers_clear(timers, timer);
    timer->fire(timer);
  }
}

int timers_wait(const struct timers *timers, uint64_t now_ms, int most) {
  if (timers->count == 0) return most;
  uint64_t at = timers->heap[1]->at_ms, left = at > now_ms ? at - now_ms : 0;
  return left < (uint64_t)most ? (int)left : most;
}

void timers_free(struct timers *timers) {
  free(timers->heap);
  *timers = (struct timers){0};
}
