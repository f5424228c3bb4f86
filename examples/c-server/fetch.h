/* fetch.h: what a guest gets from its route's upstream: one HTTP/1.1 GET on a connection of its own, without
 * waiting for anything. Belongs to one worker's thread. */
#ifndef SERVER_FETCH_H
#define SERVER_FETCH_H

#include "buffer.h"
#include "http.h"
#include "run.h"
#include "source.h"

enum { FETCH_MAX_BODY = 1 << 20 };

struct fetch {
  struct source source; /* first: see source.h */
  struct run *run;
  int fd; /* -1: closed */
  bool done, too_large, has_head;
  int status;
  struct buffer out, in, head, body;
  size_t sent;
  struct http_response response; /* its texts are in `head` */
  struct http_chunked chunked;
};

/* Answers its number, or an error of lucet_http_v0. */
int32_t fetch_begin(struct run *run, struct text target);
/* NULL: there is none of this number. */
struct fetch *fetch_find(const struct run *run, int32_t number);
/* Its socket is ready. */
void fetch_ready(struct fetch *fetch);
/* Takes it from its run, or with its run. NULL is allowed. */
void fetch_free(struct fetch *fetch);

#endif
