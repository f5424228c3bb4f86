/* host_fetch.c: what a guest gets from elsewhere. See host.h for the rules; a number that is no fetch is a
 * trap as a bad pointer is. */
#include "host.h"

#include "counters.h"
#include "fetch.h"
#include "response.h"

static int32_t begin(lucet_call *call, uint32_t target, uint32_t length) {
  struct run *run = run_of(call);
  const char *data = host_input(call, target, length);
  if (!data) return 0;
  if (!rules_is_target(data, length)) return LUCET_HTTP_INVALID;
  int32_t number = fetch_begin(run, data, length);
  if (number >= 0) count(run->main, run->use->guest, COUNT_FETCHES);
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

static int32_t status(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, number, answer_status, &error) ? error : status_of(fetch);
}

static lucet_value answer_length(struct run *run) {
  return lucet_value_i64((int64_t)fetch_find(run, run->wait.fetch)->length);
}

static int64_t body_len(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, number, answer_length, &error) ? error : (int64_t)fetch->length;
}

static int32_t copy(const struct fetch *fetch, uint64_t offset, u_char *out, uint32_t capacity) {
  if (offset >= fetch->length) return 0;
  size_t left = fetch->length - (size_t)offset, n = left < capacity ? left : capacity;
  if (n > INT32_MAX) n = INT32_MAX;
  if (n > 0) ngx_memcpy(out, fetch->body + offset, n);
  return (int32_t)n;
}

static lucet_value answer_read(struct run *run) {
  u_char *out = answer_range(run);
  if (!out) return lucet_value_i32(LUCET_HTTP_INVALID);
  return lucet_value_i32(copy(fetch_find(run, run->wait.fetch), run->wait.offset, out, run->wait.length));
}

static int32_t body_read(lucet_call *call, int32_t number, uint64_t offset, uint32_t buffer,
                         uint32_t capacity) {
  struct run *run = run_of(call);
  int32_t error;
  char *out = host_output(call, buffer, capacity);
  const struct fetch *fetch = out ? find(call, number) : NULL;
  if (!fetch) return 0;
  run->wait.offset = offset;
  run->wait.address = buffer;
  run->wait.length = capacity;
  if (waits(call, fetch, number, answer_read, &error)) return error;
  return copy(fetch, offset, (u_char *)out, capacity);
}

/* ---- headers ---- */

static ngx_str_t header_of(const struct fetch *fetch, const char *name, size_t length) {
  ngx_str_t none = ngx_null_string;
  return fetch->subrequest ? response_find_header(fetch->subrequest, text_of(name, length)) : none;
}

static lucet_value answer_header(struct run *run) {
  const uint8_t *name;
  u_char *out = answer_range(run);
  if (!out || lucet_instance_view(run->instance, 0, run->wait.name, run->wait.name_length, &name) != LUCET_OK)
    return lucet_value_i32(LUCET_HTTP_INVALID);
  ngx_str_t value = header_of(fetch_find(run, run->wait.fetch), (const char *)name, run->wait.name_length);
  return lucet_value_i32(value.data ? fill((char *)out, run->wait.length, value) : LUCET_HTTP_NOT_FOUND);
}

static int32_t header(lucet_call *call, int32_t number, uint32_t name, uint32_t name_length, uint32_t buffer,
                      uint32_t capacity) {
  struct run *run = run_of(call);
  int32_t error;
  const char *n = host_input(call, name, name_length);
  char *out = n ? host_output(call, buffer, capacity) : NULL;
  const struct fetch *fetch = out ? find(call, number) : NULL;
  if (!fetch) return 0;
  run->wait.name = name;
  run->wait.name_length = name_length;
  run->wait.address = buffer;
  run->wait.length = capacity;
  if (waits(call, fetch, number, answer_header, &error)) return error;
  ngx_str_t value = header_of(fetch, n, name_length);
  return value.data ? fill(out, capacity, value) : LUCET_HTTP_NOT_FOUND;
}

static int32_t give_up(lucet_call *call, int32_t number) {
  struct fetch *fetch = find(call, number);
  if (fetch) fetch_close(fetch);
  return 0;
}

const lucet_host_function host_fetch_functions[] = {
    LUCET_HOST("fetch", begin, int32_t, uint32_t, uint32_t),
    LUCET_HOST("fetch_status", status, int32_t, int32_t),
    LUCET_HOST("fetch_header", header, int32_t, int32_t, uint32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("fetch_body_len", body_len, int64_t, int32_t),
    LUCET_HOST("fetch_body_read", body_read, int32_t, int32_t, uint64_t, uint32_t, uint32_t),
    LUCET_HOST("fetch_close", give_up, int32_t, int32_t),
};
const size_t host_fetch_count = sizeof host_fetch_functions / sizeof host_fetch_functions[0];
