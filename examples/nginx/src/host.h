/* host.h: what the functions have in common that guests import: lucet_http_v0 and lucet_http_filter_v0
 * (docs/guest-abi.md), which lucet_http_host.h declares, made by lucetc of lucet_http.wit, and
 * demo. The instance's data is its struct run.
 *
 * Invariants of all of them: the ranges that a guest names are checked by the library before a function is
 * called, and a bad one is a trap; checked pointers are used before the function returns; what a guest can
 * make grow is bounded. Of a function that has to wait the arguments are kept, and its ranges are looked up
 * again when the answer is made. */
#ifndef LUCET_NGINX_HOST_H
#define LUCET_NGINX_HOST_H

#include "lucet_http_errors.h"
#include "lucet_http_host.h"
#include "memory.h"
#include "rules.h"
#include "run.h"

static inline struct run *run_of(lucet_call *call) { return lucet_call_instance_data(call); }
static inline ngx_str_t text_of(lucet_bytes bytes) { return (ngx_str_t){bytes.size, (u_char *)bytes.data}; }

/* Copies what fits and answers the full length. */
static inline int32_t fill(lucet_bytes_out out, ngx_str_t text) {
  size_t length = text.len < out.size ? text.len : out.size;
  if (length > 0) ngx_memcpy(out.data, text.data, length);
  return (int32_t)text.len;
}

/* Keeps where a function that may wait is to put its answer; and what that is when it is made, empty if it is
 * no more. */
static inline void keep_range(lucet_call *call, lucet_bytes_out out) {
  struct wait *wait = &run_of(call)->wait;
  wait->address = host_address(call, out.data);
  wait->length = (uint32_t)out.size;
}
static inline lucet_bytes_out kept_range(const struct run *run) {
  lucet_bytes_out out = {NULL, run->wait.length};
  if (lucet_instance_view_mut(run->instance, 0, run->wait.address, run->wait.length, &out.data) != LUCET_OK)
    out.size = 0;
  return out;
}

#endif
