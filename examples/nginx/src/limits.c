/* limits.c: see limits.h. */
#include "limits.h"

#include "queue.h"

enum {
  TRUSTED_SLICE_NS = 8000000, /* from here on the library needs no other timer */
  TRUSTED_IN_ALL_NS = 1000000,
  LEAST_CPU_NS = 20000000, /* limits below these are exact from the start */
  LEAST_TIMEOUT_MS = 100,
  LEFT_NS = 1000000,
};

static lucet_limits exact(const struct run *run) {
  lucet_limits limits = run->conf->limits;
  if (!run_may_wait(run)) {
    limits.cpu_ns = run->conf->filter_cpu_ns;
    limits.slice_ns = 0;
  }
  if (limits.slice_ns) limits.slice_ns = queue_slice(limits.slice_ns);
  /* nginx's clock is CLOCK_MONOTONIC's, in milliseconds. */
  if (run->conf->timeout && run->kind != RUN_BODY_FILTER)
    limits.deadline_ns = run->deadline * UINT64_C(1000000);
  return limits;
}

lucet_limits limits_of_new(struct run *run) {
  const struct loc_conf *conf = run->conf;
  lucet_limits limits = exact(run);
  run->cpu_ns = limits.cpu_ns;
  run->trusted = run_may_wait(run) && conf->slice_ns && !queue_must_wait(run->use->guest) &&
                 (!conf->cpu_ns || conf->cpu_ns >= LEAST_CPU_NS) &&
                 (!conf->timeout || conf->timeout >= LEAST_TIMEOUT_MS);
  if (!run->trusted) return limits;
  limits.slice_ns = TRUSTED_SLICE_NS;
  limits.cpu_ns = limits.deadline_ns = 0;
  return limits;
}

static ngx_int_t set(const struct run *run, const lucet_limits *limits) {
  return lucet_instance_set_limits(run->instance, limits) == LUCET_OK ? NGX_OK : NGX_ERROR;
}

void limits_enter(struct run *run) { run->entered_ns = now_ns(); }

uint64_t limits_since_entry(const struct run *run) { return now_ns() - run->entered_ns; }

ngx_int_t limits_leave(struct run *run, uint32_t kind) {
  if (!run->trusted || (kind != LUCET_SUSPENDED && kind != LUCET_PREEMPTED)) return NGX_OK;
  run->spent_ns += now_ns() - run->entered_ns;
  if (kind == LUCET_SUSPENDED && run->spent_ns < TRUSTED_IN_ALL_NS) return NGX_OK;
  run->trusted = 0;
  lucet_limits limits = exact(run);
  /* Time on the wall is more than it has used if the worker had to wait for its processor; that is not
   * counted beyond a slice. */
  uint64_t used = ngx_min(run->spent_ns, (uint64_t)TRUSTED_SLICE_NS);
  if (limits.cpu_ns) limits.cpu_ns = limits.cpu_ns > used + LEFT_NS ? limits.cpu_ns - used : LEFT_NS;
  run->cpu_ns = limits.cpu_ns;
  return set(run, &limits);
}

ngx_int_t limits_of_turn(struct run *run) {
  lucet_limits limits = exact(run);
  limits.cpu_ns = run->cpu_ns;
  return set(run, &limits);
}

ngx_int_t limits_of_piece(struct run *run) {
  lucet_limits limits = exact(run);
  lucet_instance_stats used = lucet_instance_stats_default();
  if (limits.cpu_ns && lucet_instance_get_stats(run->instance, &used) == LUCET_OK)
    limits.cpu_ns += used.cpu_ns;
  return set(run, &limits);
}
