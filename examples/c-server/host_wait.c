/* host_wait.c: the functions of lucet_http_v0 that suspend their guest: sleep, and what asks for the answer
 * to a fetch. Of one that waits, the arguments are kept; its ranges are looked up again when the answer is
 * made. */
#include "host.h"

#include "exchange.h"
#include "fetch.h"
#include "lucet_http_errors.h"
#include "lucet_http_host.h"
#include "memory.h"
#include "rules.h"

static struct run *run_of(lucet_call *call) {
  return &((struct exchange *)lucet_call_instance_data(call))->run;
}

static lucet_value answer_slept(struct run *run) { return (void)run, lucet_value_i32(0); }

int32_t lucet_http_sleep(lucet_call *call, uint32_t milliseconds) {
  if (milliseconds > RULES_MAX_SLEEP_MS) return LUCET_HTTP_TOO_LARGE;
  return run_sleep(call, run_of(call), milliseconds, answer_slept) ? 0 : LUCET_HTTP_CANNOT_WAIT;
}

int32_t lucet_http_fetch(lucet_call *call, lucet_bytes target) {
  struct text text = host_text(target);
  if (!rules_is_target(text.data, text.length) || !rules_stays_inside(text.data, text.length))
    return LUCET_HTTP_INVALID;
  return fetch_begin(run_of(call), text);
}

/* A number that is no fetch stops the guest, as a bad pointer does. */
static struct fetch *find(lucet_call *call, int32_t number) {
  struct fetch *fetch = fetch_find(run_of(call), number);
  if (!fetch) lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return fetch;
}

/* Whether the function has to wait; *error is what it answers if it cannot. */
static bool waits(lucet_call *call, const struct fetch *fetch, answer_function answer, int32_t *error) {
  *error = 0;
  if (fetch->done) return false;
  if (!run_wait_for(call, run_of(call), fetch, answer)) *error = LUCET_HTTP_CANNOT_WAIT;
  return true;
}

static void keep(lucet_call *call, const void *range, size_t length) {
  struct wait *wait = &run_of(call)->wait;
  wait->address = host_address(call, range);
  wait->length = (uint32_t)length;
}

/* The range that the waiting function was given; empty if it is no more. */
static lucet_bytes_out kept(struct run *run) {
  lucet_bytes_out out = {NULL, run->wait.length};
  if (lucet_instance_view_mut(run->instance, 0, run->wait.address, run->wait.length, &out.data) != LUCET_OK)
    out.size = 0;
  return out;
}

/* ---- status, length, body ---- */

static int32_t status_of(const struct fetch *fetch) {
  return fetch->too_large ? LUCET_HTTP_TOO_LARGE : fetch->status;
}
static struct text body_of(const struct fetch *fetch) {
  return (struct text){fetch->body.data, fetch->body.length};
}

static lucet_value answer_status(struct run *run) { return lucet_value_i32(status_of(run->wait.fetch)); }
static lucet_value answer_length(struct run *run) {
  return lucet_value_i64((int64_t)run->wait.fetch->body.length);
}
static lucet_value answer_read(struct run *run) {
  return lucet_value_i32(host_copy(kept(run), body_of(run->wait.fetch), run->wait.offset));
}

int32_t lucet_http_fetch_status(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, answer_status, &error) ? error : status_of(fetch);
}

int64_t lucet_http_fetch_body_len(lucet_call *call, int32_t number) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  return waits(call, fetch, answer_length, &error) ? error : (int64_t)fetch->body.length;
}

int32_t lucet_http_fetch_body_read(lucet_call *call, int32_t number, uint64_t offset, lucet_bytes_out out) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  keep(call, out.data, out.size);
  run_of(call)->wait.offset = offset;
  return waits(call, fetch, answer_read, &error) ? error : host_copy(out, body_of(fetch), offset);
}

/* ---- headers ---- */

static int32_t fill_header(const struct fetch *fetch, struct text name, lucet_bytes_out out) {
  const struct http_header *header =
      fetch->has_head ? http_find(&fetch->response.headers, name.data, name.length) : NULL;
  return header ? host_fill(out, header->value) : LUCET_HTTP_NOT_FOUND;
}

static lucet_value answer_header(struct run *run) {
  lucet_bytes name = {NULL, run->wait.name_length};
  if (lucet_instance_view(run->instance, 0, run->wait.name, run->wait.name_length, &name.data) != LUCET_OK)
    return lucet_value_i32(LUCET_HTTP_INVALID);
  return lucet_value_i32(fill_header(run->wait.fetch, host_text(name), kept(run)));
}

int32_t lucet_http_fetch_header(lucet_call *call, int32_t number, lucet_bytes name, lucet_bytes_out out) {
  int32_t error;
  const struct fetch *fetch = find(call, number);
  if (!fetch) return 0;
  keep(call, out.data, out.size);
  run_of(call)->wait.name = host_address(call, name.data);
  run_of(call)->wait.name_length = (uint32_t)name.size;
  return waits(call, fetch, answer_header, &error) ? error : fill_header(fetch, host_text(name), out);
}

int32_t lucet_http_fetch_close(lucet_call *call, int32_t number) {
  fetch_free(find(call, number));
  return 0;
}
