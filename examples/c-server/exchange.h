/* exchange.h: one request and the response to it, as the host functions see them, and the guest that works on
 * it. Part of its connection, for the time from the request's end to the response's beginning; the instance's
 * data points to it. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "http.h"
#include "run.h"

struct exchange {
  const struct http_request *request;
  struct text body;
  const char *peer;
  size_t body_read; /* by a WASI program */
  uint64_t response_limit;
  const char *guest; /* for the log: the route's path */
  struct run run;
  /* The response. */
  int status;
  struct buffer headers, out; /* headers: complete lines, see headers.h */
  bool committed;             /* the guest has written: status and headers are fixed */
  unsigned log_lines;
  /* For the access log. */
  char build_id[17]; /* the first characters; empty without a guest */
  char why[512];     /* what went wrong; empty if nothing did */
};

/* The exchange that a run is part of. */
static inline struct exchange *exchange_of_run(struct run *run) {
  return (struct exchange *)((char *)run - offsetof(struct exchange, run));
}

#endif
