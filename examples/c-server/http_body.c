/* http_body.c: decodes bodies in chunks (RFC 9112, 7.1), a byte at a time for the frame and in runs for the
 * data. Extensions and trailers are checked, bounded and dropped. */
#include "http.h"

#include <string.h>

#include "rules.h"

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE_START, TRAILER, TRAILER_LF, END_LF };

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int size_byte(struct http_chunked *chunked, char c) {
  int digit = hex(c);
  if (++chunked->line > HTTP_MAX_CHUNK_LINE) return 400;
  if (chunked->state == SIZE && digit >= 0) {
    if (++chunked->digits > 15) return 413; /* before the number could overflow */
    chunked->left = chunked->left * 16 + (uint64_t)digit;
    return 0;
  }
  if (chunked->digits == 0) return 400;
  if (c == '\r')
    chunked->state = SIZE_LF;
  else if (chunked->state == EXTENSION)
    return rules_is_header_value(&c, 1) ? 0 : 400;
  else if (c == ';')
    chunked->state = EXTENSION;
  else
    return 400;
  return 0;
}

/* One byte outside of the data. */
static int frame_byte(struct http_chunked *chunked, char c) {
  switch (chunked->state) {
  case SIZE:
  case EXTENSION:
    return size_byte(chunked, c);
  case SIZE_LF:
    chunked->state = chunked->left ? DATA : LINE_START;
    return c == '\n' ? 0 : 400;
  case DATA_CR:
    chunked->state = DATA_LF;
    return c == '\r' ? 0 : 400;
  case DATA_LF:
    *chunked = (struct http_chunked){.state = SIZE};
    return c == '\n' ? 0 : 400;
  case LINE_START:
    chunked->state = c == '\r' ? END_LF : TRAILER;
    return c == '\r' || rules_is_token(&c, 1) ? 0 : 400;
  case TRAILER:
    if (c == '\r')
      chunked->state = TRAILER_LF;
    else if (!rules_is_header_value(&c, 1))
      return 400;
    return ++chunked->trailers > HTTP_MAX_TRAILERS ? 431 : 0;
  case TRAILER_LF:
    chunked->state = LINE_START;
    return c == '\n' ? 0 : 400;
  default:
    chunked->done = true;
    return c == '\n' ? 0 : 400;
  }
}

int http_chunked_feed(struct http_chunked *chunked, const char *bytes, size_t length, size_t *used,
                      struct buffer *body, uint64_t limit) {
  size_t at = 0;
  int status = 0;
  while (at < length && !chunked->done && status == 0) {
    if (chunked->state != DATA) {
      status = frame_byte(chunked, bytes[at++]);
      if (status == 0 && chunked->state == DATA && chunked->left > limit - body->length) status = 413;
      continue;
    }
    size_t run = length - at < chunked->left ? length - at : (size_t)chunked->left;
    if (!buffer_append(body, bytes + at, run)) status = 500;
    at += run;
    chunked->left -= run;
    if (chunked->left == 0) chunked->state = DATA_CR;
  }
  *used = at;
  return status;
}
