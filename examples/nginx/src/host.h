/* host.h: the functions that guests import: lucet_http_v0 and lucet_http_filter_v0 (docs/guest-abi.md), and
 * demo. The instance's data is its struct run.
 *
 * Invariants of all of them: a range that a guest names is checked as a whole before anything else happens,
 * and a bad one is a trap; checked pointers are used before the function returns; what a guest can make grow
 * is bounded. A function that has to wait checks its ranges before, and again when the answer is made: a
 * guest's memory does not shrink, but it is the check that counts. */
#ifndef LUCET_NGINX_HOST_H
#define LUCET_NGINX_HOST_H

#include "lucet_http_errors.h"
#include "memory.h"
#include "rules.h"
#include "run.h"

/* A linker with everything. */
lucet_status host_linker(lucet_linker **linker);

/* The tables of host_request.c, host_response.c, host_other.c and host_fetch.c. */
extern const lucet_host_function host_request_functions[], host_response_functions[], host_other_functions[],
    host_fetch_functions[], host_filter_functions[];
extern const size_t host_request_count, host_response_count, host_other_count, host_fetch_count,
    host_filter_count;

static inline struct run *run_of(lucet_call *call) { return lucet_call_instance_data(call); }
static inline ngx_str_t text_of(const char *data, size_t length) {
  return (ngx_str_t){length, (u_char *)data};
}

/* Copies what fits and answers the full length. */
static inline int32_t fill(char *out, uint32_t capacity, ngx_str_t text) {
  size_t length = text.len < capacity ? text.len : capacity;
  if (length > 0) ngx_memcpy(out, text.data, length);
  return (int32_t)text.len;
}

/* Where a waiting function's answer goes; NULL: nowhere any more. */
static inline u_char *answer_range(const struct run *run) {
  uint8_t *out;
  if (lucet_instance_view_mut(run->instance, 0, run->wait.address, run->wait.length, &out) != LUCET_OK)
    return NULL;
  return out;
}

#endif
