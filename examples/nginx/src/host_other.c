/* host_other.c: log, time, random bytes, configuration, variables, and the piece that a body filter is given.
 * See host.h for the rules. */
#include "host.h"

#include "counters.h"
#include "filter.h"

#include <sys/random.h>

int32_t lucet_http_log(lucet_call *call, int32_t level, lucet_bytes text) {
  static const ngx_uint_t levels[] = {NGX_LOG_ERR, NGX_LOG_WARN, NGX_LOG_INFO};
  struct run *run = run_of(call);
  char escaped[4 * RULES_MAX_LOG_LINE];
  if (level < 0 || level > 2) return LUCET_HTTP_INVALID;
  if (text.size > RULES_MAX_LOG_LINE || run->log_lines >= run->conf->log_lines) return LUCET_HTTP_TOO_LARGE;
  run->log_lines++;
  count(run->use->guest, COUNT_LOG_LINES);
  ngx_log_t *log = run->r->connection->log;
  if (log->log_level < levels[level]) return 0;
  size_t size = rules_escape(escaped, (const char *)text.data, text.size);
  ngx_log_error(levels[level], log, 0, "lucet: guest \"%V\" says: %*s", &run->use->name, size, escaped);
  return 0;
}

int64_t lucet_http_now_ms(lucet_call *call) {
  ngx_time_t *now = ngx_timeofday(); /* of this pass of the event loop */
  (void)call;
  return (int64_t)now->sec * 1000 + (int64_t)now->msec;
}

int32_t lucet_http_random(lucet_call *call, lucet_bytes_out out) {
  (void)call;
  if (out.size > RULES_MAX_RANDOM) return LUCET_HTTP_TOO_LARGE;
  for (size_t done = 0; done < out.size;) {
    ssize_t got = getrandom(out.data + done, out.size - done, 0);
    if (got > 0) done += (size_t)got; /* anything else: interrupted */
  }
  return 0;
}

int32_t lucet_http_config(lucet_call *call, lucet_bytes_out out) {
  return fill(out, run_of(call)->use->guest->config);
}

int32_t lucet_http_variable_get(lucet_call *call, lucet_bytes name, lucet_bytes_out out) {
  struct run *run = run_of(call);
  const ngx_array_t *shown = run->conf->variables;
  for (ngx_uint_t i = 0; shown && i < shown->nelts; i++) {
    const struct shown_variable *v = (struct shown_variable *)shown->elts + i;
    if (v->name.len != name.size || ngx_memcmp(v->name.data, name.data, name.size) != 0) continue;
    ngx_http_variable_value_t *value = ngx_http_get_flushed_variable(run->r, (ngx_uint_t)v->index);
    if (!value || value->not_found) return LUCET_HTTP_NOT_FOUND;
    return fill(out, (ngx_str_t){value->len, value->data});
  }
  return LUCET_HTTP_FORBIDDEN;
}

static lucet_value answer_slept(struct run *run) {
  (void)run;
  return lucet_value_i32(0);
}

int32_t lucet_http_sleep(lucet_call *call, uint32_t milliseconds) {
  struct run *run = run_of(call);
  if (milliseconds > RULES_MAX_SLEEP_MS) return LUCET_HTTP_TOO_LARGE;
  run->wait.length = milliseconds;
  return run_wait(call, run, WAIT_SLEEP, answer_slept) == NGX_OK ? 0 : LUCET_HTTP_CANNOT_WAIT;
}

/* ---- lucet_http_filter_v0 ---- */

int32_t lucet_http_chunk_len(lucet_call *call) { return (int32_t)filter_chunk_length(run_of(call)); }

int32_t lucet_http_chunk_read(lucet_call *call, uint32_t offset, lucet_bytes_out out) {
  return (int32_t)filter_chunk_copy(run_of(call), offset, out.data, out.size);
}

int32_t lucet_http_chunk_is_last(lucet_call *call) { return run_of(call)->chunk_is_last; }
