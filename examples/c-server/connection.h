/* connection.h: one client's connection: bytes in, requests, responses, bytes out. Belongs to one worker's
 * thread.
 *
 * A connection is in one of these states:
 *   HEAD   waits for a request's head (idle, when nothing of it has come yet)
 *   BODY   has the head, waits for the body
 *   GUEST  has the request; a guest works on it, in slices or waiting
 *   WRITE  sends responses; reads nothing meanwhile, so a client that does not read cannot make it collect
 * more LINGER has sent its last response and closed its side; throws away what the client still sends, for a
 * short time, because closing with unread input would destroy the response on its way
 */
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"
#include "server.h"
#include "source.h"

enum connection_state {
  CONNECTION_HEAD,
  CONNECTION_BODY,
  CONNECTION_GUEST,
  CONNECTION_WRITE,
  CONNECTION_LINGER
};

struct connection {
  struct source source;                /* first: see source.h */
  struct connection *next, **previous; /* the worker's list */
  struct worker *worker;
  struct server *server;
  int fd;
  enum connection_state state;
  uint32_t interest;    /* what epoll watches for; the worker's */
  bool last;            /* close after the response that is being sent */
  bool draining;        /* no request after the current one */
  uint64_t deadline_ms; /* monotonic; in HEAD, BODY, WRITE: silence; in LINGER: the end; in GUEST: never */
  uint64_t started_us;  /* of the current request */
  size_t seen;          /* bytes of `in` without the end of a head */
  struct buffer in, head, body, out;
  size_t sent; /* of out */
  struct http_request request;
  struct http_chunked chunked;
  struct exchange exchange; /* from the end of the request to the response */
  char peer[32];
};

/* NULL: no memory; the descriptor stays the caller's. */
struct connection *connection_new(struct worker *worker, int fd, const char *peer);
/* Ends its guest, closes, and frees what it holds, but not itself. */
void connection_close(struct connection *connection);
/* Its guest has ended: makes the response. */
void connection_answer(struct connection *connection);

/* Does all that can be done without waiting. False: the connection is over, free it. */
bool connection_ready(struct connection *connection);
/* Its deadline has passed. False: free it. */
bool connection_expired(struct connection *connection);
/* Nothing is in flight. */
bool connection_is_idle(const struct connection *connection);

static inline struct connection *connection_of_exchange(struct exchange *exchange) {
  return (struct connection *)((char *)exchange - offsetof(struct connection, exchange));
}

uint64_t clock_us(void);
uint64_t clock_ms(void);

#endif
