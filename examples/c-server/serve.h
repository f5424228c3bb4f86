/* serve.h: from a complete request to a complete response, without sockets. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "exchange.h"
#include "server.h"

/* What a request may send, by its path; known before its body is read. */
uint64_t serve_body_limit(const struct server *server, const struct http_request *request);
/* Fills in the response: runs the route's guest in a fresh instance, on this thread. Never fails: an error is
 * a response with its status and exchange->why. */
void serve(struct server *server, struct exchange *exchange);
/* Makes the response a plain one of this status, with nothing that a guest wrote. */
void serve_error(struct exchange *exchange, int status);
void exchange_free(struct exchange *exchange);

#endif
