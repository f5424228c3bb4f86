/* http.h: HTTP/1.1 messages, without sockets. Everything here takes bytes from anybody and has a limit; what
 * breaks the grammar is refused with the status to answer, never repaired: a server that guesses disagrees
 * with the next one. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

enum {
  HTTP_MAX_HEAD = 16384,  /* request line and headers; more is 431 */
  HTTP_MAX_TARGET = 8192, /* more is 414 */
  HTTP_MAX_HEADERS = 100, /* more is 431 */
  HTTP_MAX_METHOD = 32,
  HTTP_MAX_CHUNK_LINE = 256, /* size and extensions of a chunk; more is 400 */
  HTTP_MAX_TRAILERS = 4096,  /* more is 431 */
};

struct text { /* borrowed, not NUL-terminated */
  const char *data;
  size_t length;
};

struct http_header {
  struct text name, value;
};

struct http_headers {
  size_t count;
  struct http_header all[HTTP_MAX_HEADERS];
};

struct http_request {               /* its texts point into the head that was parsed */
  struct text method, target, path; /* path: the target up to the query */
  int minor;                        /* HTTP/1.minor */
  bool keep_alive, chunked, expects_continue, is_head;
  uint64_t content_length; /* 0 without a body and for chunked */
  struct http_headers headers;
};

/* The length of the head at the start of the bytes, its empty line included; 0 as long as it is not complete.
 * Nothing is looked for in the first `seen` bytes but the last two of them: what an earlier call has seen. */
size_t http_head_length(const char *bytes, size_t length, size_t seen);
/* Parses a complete head. Answers 0, or the status to refuse it with. */
int http_parse(const char *head, size_t length, struct http_request *request);
const struct http_header *http_find(const struct http_headers *headers, const char *name, size_t length);

/* What another server answers. */
struct http_response {
  int status;
  bool chunked, has_length; /* neither: the body ends with the connection */
  uint64_t content_length;
  struct http_headers headers;
};
/* Parses the complete head of a response. False: it is none. */
bool http_parse_response(const char *head, size_t length, struct http_response *response);

bool text_is(struct text text, const char *word); /* upper and lower case are the same */

/* ---- bodies in chunks ---- */
struct http_chunked { /* all zero at the start */
  int state;
  uint64_t left;
  size_t line, trailers;
  unsigned digits;
  bool done;
};
/* Decodes bytes onto the body, up to the end of the body. Answers 0 or the status to refuse it with (400,
 * 413, 431, 500); *used is how many bytes were taken. */
int http_chunked_feed(struct http_chunked *chunked, const char *bytes, size_t length, size_t *used,
                      struct buffer *body, uint64_t limit);

/* ---- responses ---- */
const char *http_reason(int status);
/* Whether a response of this status has a body at all. */
bool http_has_body(int status);
/* Appends a response. `headers` are complete lines; `head_only` leaves out the body and keeps its length. */
bool http_respond(struct buffer *out, int status, bool keep_alive, struct text headers, struct text body,
                  bool head_only);

#endif
