/* exchange.h: one request and the response to it, as the host functions see them. Lives on the stack of the
 * thread that runs the guest, for the time of the run; the instance's data points to it. */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "http.h"

struct exchange {
  const struct http_request *request;
  struct text body;
  size_t body_read; /* by a WASI program */
  uint64_t response_limit;
  const char *guest; /* for the log: the route's path */
  /* The response. */
  int status;
  struct buffer headers, out;
  bool committed; /* the guest has written: status and headers are fixed */
  unsigned log_lines;
  /* For the access log. */
  char build_id[17]; /* the first characters; empty without a guest */
  char why[512];     /* what went wrong; empty if nothing did */
};

#endif
