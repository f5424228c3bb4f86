/* timers.h: what is to happen at a time: a heap, the earliest first. One thread's. */
#ifndef SERVER_TIMERS_H
#define SERVER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
  uint64_t at_ms;
  size_t place; /* in the heap, from 1; 0: not set */
  void (*fire)(struct timer *timer);
};

struct timers {
  struct timer **heap; /* from 1 */
  size_t count, capacity;
};

/* Sets a timer, or moves it. False: no memory. */
bool timers_set(struct timers *timers, struct timer *timer, uint64_t at_ms);
void timers_clear(struct timers *timers, struct timer *timer);
/* Fires all whose time has come; a timer that fires is not set any more. */
void timers_run(struct timers *timers, uint64_t now_ms);
/* How long until the next one, at most `most`. */
int timers_wait(const struct timers *timers, uint64_t now_ms, int most);
void timers_free(struct timers *timers);

#endif
