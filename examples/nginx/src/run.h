/* run.h: one guest at work for one request: the state machine between the library's outcomes and nginx's
 * events.
 *
 *              run_start                 returned, trapped, terminated
 *   (made) -----------------> ACTIVE ------------------------------------> DONE
 *      |                      ^  ^  |                                       ^
 *      | no free slot         |  |  | preempted                             |
 *      v                      |  |  +-----------> QUEUED --(its turn)--+    | aborted, timed out
 *   FOR_SLOT --(one is free)--+  |                                     |    | (from every state but ACTIVE)
 *                                |  | suspended                        |
 *                                |  +-----------> WAITING --(event)----+
 *                                +---------------------------------------+
 *
 * A run is ACTIVE only within run_start and run_go, on nginx's stack: nginx's own code that runs in a host
 * function is the host's, and no frame of it is ever left on a guest's stack. Everything is the worker's one
 * thread.
 *
 * Not here: what is done with the result (content.c, access.c, filter.c, variables.c). */
#ifndef LUCET_NGINX_RUN_H
#define LUCET_NGINX_RUN_H

#include "config.h"
#include "output.h"

enum run_kind { RUN_CONTENT, RUN_ACCESS, RUN_HEADER_FILTER, RUN_BODY_FILTER, RUN_VARIABLE };
enum run_state { RUN_MADE, RUN_FOR_SLOT, RUN_ACTIVE, RUN_QUEUED, RUN_WAITING, RUN_DONE };
enum wait_kind { WAIT_SLEEP, WAIT_BODY, WAIT_OUTPUT, WAIT_FETCH };

/* How a run ended. */
enum ending {
  END_NONE,
  END_RETURNED, /* `result` says what */
  END_TRAP,
  END_CPU,     /* lucet_cpu */
  END_TIME,    /* lucet_timeout */
  END_NESTED,  /* a callback outlasted the slice */
  END_ABORTED, /* the request is over */
  END_REFUSED, /* no free slot */
  END_FAILED,  /* the library says no */
  ENDINGS
};

struct run;

/* What the suspended host function answers, once it can: the value goes to the guest. */
typedef lucet_value (*answer_function)(struct run *run);

struct wait {
  enum wait_kind kind;
  answer_function answer;
  uint64_t offset, address, name; /* arguments of the host function that waits */
  uint32_t length, name_length;
  int32_t fetch;
};

struct run {
  ngx_http_request_t *r;
  struct main_conf *main;
  struct loc_conf *conf;
  const struct use *use;
  lucet_instance *instance; /* NULL: not yet, or not any more */
  enum run_kind kind;
  enum run_state state;
  enum ending ending;
  int32_t result;
  uint32_t trap;

  uint64_t entered_ns, spent_ns, cpu_ns; /* see limits.h */

  struct wait wait;
  ngx_event_t timer;
  ngx_msec_t started, deadline;
  uint64_t wakes_ns; /* of one that sleeps */
  ngx_queue_t
      queue; /* QUEUED: among its guest's; FOR_SLOT: among those without a slot; `sleeps`: see sleep.c */
  unsigned guarded : 1, reading_body : 1, body_read : 1, header_sent : 1, committed : 1, suspended : 1,
      sliced : 1, trusted : 1, sleeps : 1;
  unsigned access_known : 1;
  unsigned partial : 1, had_error_page : 1, had_keepalive : 1; /* see body.c */
  ngx_int_t access_rc;
  ngx_http_headers_out_t *denial; /* of an access guest that others may overrule: its headers */

  /* The response. */
  int32_t status;
  size_t header_bytes;
  struct output output;

  ngx_uint_t log_lines;
  struct fetch **fetches; /* conf->fetch.parallel of them, by number; NULL: never used */
  ngx_uint_t fetched;
  const ngx_chain_t *chunk; /* of a body filter */
  unsigned chunk_is_last : 1;

  /* Of the instance, read when it ended; for variables. */
  lucet_instance_stats used;
};

/* Whether it can be suspended and cut into slices: not inside of nginx's filters. */
static inline ngx_flag_t run_may_wait(const struct run *run) { return run->kind <= RUN_ACCESS; }

/* Whether it goes on at some event. */
static inline ngx_flag_t run_is_waiting(const struct run *run) {
  return run->state == RUN_FOR_SLOT || run->state == RUN_QUEUED || run->state == RUN_WAITING;
}

/* For the parts of the machine: counts, too, how many runs are in which state. */
void run_set_state(struct run *run, enum run_state state);

/* NULL: no memory. */
struct run *run_make(ngx_http_request_t *r, const struct use *use, enum run_kind kind);

/* Enters the guest. Answers NGX_OK: it has ended, see `ending`; NGX_AGAIN: it waits. The filters' and
 * variables' runs never wait. */
ngx_int_t run_start(struct run *run);
/* Makes the instance of a body filter, and enters it, for each piece. NGX_ERROR: the run has ended. */
ngx_int_t run_prepare(struct run *run);
ngx_int_t run_again(struct run *run);
/* Goes on with a run that waits and whose wait is over, or that was preempted. As run_start. */
ngx_int_t run_go(struct run *run);
/* Whether a guest is at work, that is, whether this is one of its host functions. */
ngx_flag_t run_is_active(void);
/* From an event: goes on, and gives the result to whom it belongs. The request may be gone afterwards. */
void run_wake(struct run *run);
/* Frees what the run holds; for a run that is not over, its guest is killed. Ends in DONE. */
void run_end(struct run *run, enum ending ending);

/* Whether the request is still this run's to settle: nobody has answered or redirected it meanwhile. */
ngx_flag_t run_has_request(const struct run *run);
/* Somebody else answers the request: nginx, for a body that is bad or too long. Ends a run that waits. */
void run_lost_request(struct run *run);

/* In a host function: suspends the guest until `kind` has happened; `answer` then makes its result.
 * NGX_ERROR: it cannot wait here. */
ngx_int_t run_wait(lucet_call *call, struct run *run, enum wait_kind kind, answer_function answer);

/* The status for the client of a run that has not returned 0; or NGX_OK. Logs why. */
ngx_int_t run_verdict(struct run *run);

/* The run of a request, also after an internal redirect; NULL: there was none. */
struct run *run_of_request(ngx_http_request_t *r);

const char *ending_name(enum ending ending);

#endif
