/* host_fetch.c: what a guest gets from elsewhere. See host.h for the rules; a number that is no fetch is a
 * trap as a bad pointer is. */
#include "host.h"

#include "counters.h"
#include "fetch.h"
#include "response.h"

int32_t lucet_http_fetch(lucet_call *call, lucet_bytes target) {
  struct run *run = run_of(call);
  const char *data = (const char *)target.data;
  if (!rules_is_target(data, target.size) || !rules_stays_inside(data, target.size))
    return LUCET_HTTP_INVALID;
  int32_t number = fetch_begin(run, data, target.size);
  if (number >= 0) count(run->use->guest, COUNT_FETCHES);
  return number;
}

static struct fetch *find(lucet_call *call, int32_t number) {
  struct fetch *fetch = fetch_find(run_of(call), number);
  if (!fetch) lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return fetch;
}

/* Whether the function has to wait; *error is what it answers if it cannot. */
static ngx_flag_t waits(lucet_call *call, const struct fetch *fetch, int32_t number, answer_function answer,
                        int32_t *error) {
  struct run *run = run_of(call);
  *error = 0;
  if (fetch->done) return 0;
  run->wait.fetch = number;
  if (run_wait(call, run, WAIT_FETCH, answer) != NGX_OK) *error = LUCET_HTTP_CANNOT_WAIT;
  return 1;
}

static int32_t status_of(const struct fetch *fetch) {
  return fetch->too_large ? LUCET_HTTP_TOO_LARGE : (int32_t)fetch->status;
}

static lucet_value answer_status(struct run *run) {
  return lucet_value_i32(status_of(fetch_find(run, run->wait.fetch)));
}

int32_t lucet_http_fetch_status(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, number, answer_status, &error) ? error : status_of(fetch);
}

static lucet_value answer_length(struct run *run) {
  return lucet_value_i64((int64_t)fetch_find(run, run->wait.fetch)->length);
}

int64_t lucet_http_fetch_body_len(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, number, answer_length, &error) ? error : (int64_t)fetch->length;
}

static int32_t copy(const struct fetch *fetch, uint64_t offset, lucet_bytes_out out) {
  if (offset >= fetch->length) return 0;
  size_t left = fetch->length - (size_t)offset, n = left < out.size ? left : out.size;
  if (n > INT32_MAX) n = INT32_MAX;
  if (n > 0) ngx_memcpy(out.data, fetch->body + offset, n);
  return (int32_t)n;
}

static lucet_value answer_read(struct run *run) {
  return lucet_value_i32(copy(fetch_find(run, run->wait.fetch), run->wait.offset, kept_range(run)));
}

int32_t lucet_http_fetch_body_read(lucet_call *call, int32_t number, uint64_t offset, lucet_bytes_out out) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  keep_range(call, out);
  run_of(call)->wait.offset = offset;
  return waits(call, fetch, number, answer_read, &error) ? error : copy(fetch, offset, out);
}

/* ---- headers ---- */

static int32_t fill_header(const struct fetch *fetch, lucet_bytes name, lucet_bytes_out out) {
  if (fetch->failed) return LUCET_HTTP_NOT_FOUND;
  ngx_str_t value = response_find_header(fetch->subrequest, text_of(name));
  return value.data ? fill(out, value) : LUCET_HTTP_NOT_FOUND;
}

static lucet_value answer_header(struct run *run) {
  lucet_bytes name = {NULL, run->wait.name_length};
  if (lucet_instance_view(run->instance, 0, run->wait.name, run->wait.name_length, &name.data) != LUCET_OK)
    return lucet_value_i32(LUCET_HTTP_INVALID);
  return lucet_value_i32(fill_header(fetch_find(run, run->wait.fetch), name, kept_range(run)));
}

int32_t lucet_http_fetch_header(lucet_call *call, int32_t number, lucet_bytes name, lucet_bytes_out out) {
  struct run *run = run_of(call);
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  keep_range(call, out);
  run->wait.name = host_address(call, name.data);
  run->wait.name_length = (uint32_t)name.size;
  return waits(call, fetch, number, answer_header, &error) ? error : fill_header(fetch, name, out);
}

int32_t lucet_http_fetch_close(lucet_call *call, int32_t number) {
  struct fetch *fetch = find(call, number);
  if (fetch) fetch_close(fetch);
  return 0;
}
