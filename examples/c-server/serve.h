/* serve.h: from a complete request to a complete response, without sockets. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "exchange.h"
#include "server.h"

/* What a request may send, by its path; known before its body is read. */
uint64_t serve_body_limit(const struct server *server, const struct http_request *request);
/* Begins to make the response: runs the route's guest in a fresh instance, on this thread. True: it is made;
 * false: the guest waits or has had its slice, and worker_finish is called later. Never fails: an error is a
 * response with its status and exchange->why. */
bool serve(struct worker *worker, struct exchange *exchange);
/* Makes the response of what a guest has left, whose run is over, and ends the run. Harmless without one. */
void serve_end(struct exchange *exchange);
/* Makes the response a plain one of this status, with nothing that a guest wrote. */
void serve_error(struct exchange *exchange, int status);
void exchange_free(struct exchange *exchange);

#endif
