/* run.h: a guest at work on an exchange: in slices, with waits, until it has ended. Belongs to one worker's
 * thread.
 *
 *   run_start ---> at work ---> ended
 *                  |  ^  |
 *    preempted     |  |  |  suspended
 *                  v  |  v
 *                QUEUED  WAITING
 *
 * A guest is at work only within run_start and run_go. Between slices its run is in the worker's queue
 * (turns.h); while it waits, its timer or its fetch wakes it. When it has ended, judge_run of serve.c makes
 * the response of it. */
#ifndef SERVER_RUN_H
#define SERVER_RUN_H

#include <lucet.h>
#include <stdbool.h>
#include <stdint.h>

#include "timers.h"

struct worker;
struct guest;
struct code;
struct exchange;
struct fetch;
struct run;

enum run_state { RUN_NONE, RUN_AT_WORK, RUN_QUEUED, RUN_WAITING, RUN_ENDED };
enum { RUN_MAX_FETCHES = 4, RUN_MAX_FETCHES_IN_ALL = 8 };

/* What a suspended host function answers, once it can. */
typedef lucet_value (*answer_function)(struct run *run);

struct wait {
  answer_function answer;
  const struct fetch *fetch; /* NULL: waits for time */
  uint64_t address, offset;  /* arguments of the host function that waits */
  uint32_t length;
  uint64_t name;
  uint32_t name_length;
};

struct run {
  struct worker *worker;
  struct guest *guest;
  struct code *code;
  lucet_instance *instance;
  enum run_state state;
  bool suspended; /* goes on with an answer, not after a slice */
  uint32_t kind;  /* LUCET_RETURNED and so on, when it has ended */
  int32_t result;
  uint64_t deadline_ms;
  struct wait wait;
  struct timer timer;
  struct run *next, **previous; /* in the queue */
  struct fetch *fetches[RUN_MAX_FETCHES];
  unsigned fetched, slices;
};

/* Makes an instance and enters it. LUCET_OK: see run->state; else there is no instance, for this reason. */
lucet_status run_start(struct run *run, struct exchange *exchange, struct worker *worker,
                       struct guest *guest);
/* Goes on after a slice or a wait. */
void run_go(struct run *run);
/* What the run waits for has happened: goes on, and if it ends, so does its exchange. Not from inside a host
 * function. */
void run_wake(struct run *run);
/* Ends it whatever its state, and frees what it holds. Harmless for a run that was never started. */
void run_end(struct run *run);

/* In a host function: suspends the guest for so long, or until the fetch is done. False: not possible here.
 */
bool run_sleep(lucet_call *call, struct run *run, uint32_t ms, answer_function answer);
bool run_wait_for(lucet_call *call, struct run *run, const struct fetch *fetch, answer_function answer);

#endif
