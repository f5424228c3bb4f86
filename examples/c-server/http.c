/* http.c: parses the head of a request. One pass over the lines, no copy: the request points into the head.
 * The grammar is that of RFC 9112 without its obsolete parts (folded lines, bare LF, HTTP/0.9), which are
 * refused. */
#include "http.h"

#include <string.h>
#include <strings.h>

#include "rules.h"

size_t http_head_length(const char *bytes, size_t length, size_t seen) {
  /* A bare LF ends a line here, so that a head with the wrong line ends is complete, and then refused, at
   * once. */
  for (size_t i = seen > 2 ? seen - 2 : 0; i < length; i++) {
    const char *lf = memchr(bytes + i, '\n', length - i);
    if (!lf) return 0;
    i = (size_t)(lf - bytes);
    if (i + 1 < length && bytes[i + 1] == '\n') return i + 2;
    if (i + 2 < length && bytes[i + 1] == '\r' && bytes[i + 2] == '\n') return i + 3;
  }
  return 0;
}

bool text_is(struct text text, const char *word) {
  return strlen(word) == text.length && strncasecmp(text.data, word, text.length) == 0;
}

const struct http_header *http_find(const struct http_request *request, const char *name, size_t length) {
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (header->name.length == length && strncasecmp(header->name.data, name, length) == 0) return header;
  }
  return NULL;
}

/* The next line without its CRLF; false if it does not end in one. */
static bool next_line(const char **at, const char *end, struct text *line) {
  const char *lf = memchr(*at, '\n', (size_t)(end - *at));
  if (!lf || lf == *at || lf[-1] != '\r') return false;
  *line = (struct text){*at, (size_t)(lf - 1 - *at)};
  *at = lf + 1;
  return true;
}

static int parse_target(struct text target, struct http_request *request) {
  if (target.length > HTTP_MAX_TARGET) return 414;
  if (target.length == 0 || target.data[0] != '/') return 400;
  for (size_t i = 0; i < target.length; i++)
    if ((unsigned char)target.data[i] <= 0x20 || (unsigned char)target.data[i] >= 0x7f) return 400;
  const char *query = memchr(target.data, '?', target.length);
  request->target = target;
  request->path = (struct text){target.data, query ? (size_t)(query - target.data) : target.length};
  return 0;
}

static int parse_request_line(struct text line, struct http_request *request) {
  const char *first = memchr(line.data, ' ', line.length);
  if (!first) return 400;
  request->method = (struct text){line.data, (size_t)(first - line.data)};
  if (!rules_is_token(request->method.data, request->method.length)) return 400;
  if (request->method.length > HTTP_MAX_METHOD) return 501;
  const char *target = first + 1, *end = line.data + line.length;
  const char *second = memchr(target, ' ', (size_t)(end - target));
  if (!second || end - second != 9 || memcmp(second, " HTTP/", 6) != 0) return 400;
  const char *version = second + 6;
  if (version[0] < '0' || version[0] > '9' || version[1] != '.' || version[2] < '0' || version[2] > '9')
    return 400;
  if (version[0] != '1') return 505;
  request->minor = version[2] - '0';
  request->is_head = request->method.length == 4 && memcmp(request->method.data, "HEAD", 4) == 0;
  return parse_target((struct text){target, (size_t)(second - target)}, request);
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static int parse_header(struct text line, struct http_request *request) {
  const char *colon = memchr(line.data, ':', line.length);
  if (!colon) return 400;
  size_t name_length = (size_t)(colon - line.data), start = name_length + 1, end = line.length;
  if (!rules_is_token(line.data, name_length)) return 400; /* also: a blank before the colon, a folded line */
  while (start < end && is_blank(line.data[start]))
    start++;
  while (end > start && is_blank(line.data[end - 1]))
    end--;
  if (!rules_is_header_value(line.data + start, end - start)) return 400;
  if (request->header_count == HTTP_MAX_HEADERS) return 431;
  request->headers[request->header_count++] =
      (struct http_header){{line.data, name_length}, {line.data + start, end - start}};
  return 0;
}

static int parse_length(struct text value, uint64_t *out) {
  uint64_t length = 0;
  if (value.length == 0) return 400;
  for (size_t i = 0; i < value.length; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') return 400;
    if (length > UINT64_MAX / 10 - 1) return 413;
    length = length * 10 + (uint64_t)(value.data[i] - '0');
  }
  *out = length;
  return 0;
}

/* Whether a comma separated list has this word. */
static bool list_has(struct text list, const char *word) {
  const char *at = list.data, *end = list.data + list.length;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end, *next = stop + 1;
    while (at < stop && is_blank(*at))
      at++;
    while (stop > at && is_blank(stop[-1]))
      stop--;
    if (text_is((struct text){at, (size_t)(stop - at)}, word)) return true;
    at = next;
  }
  return false;
}

/* What the headers say about the message itself. Two answers to where the body ends are how requests are
 * smuggled past a proxy, so anything but one clear answer is refused. */
static int parse_framing(struct http_request *request) {
  unsigned hosts = 0, lengths = 0, encodings = 0;
  request->keep_alive = request->minor >= 1;
  for (size_t i = 0; i < request->header_count; i++) {
    const struct http_header *header = &request->headers[i];
    if (text_is(header->name, "host")) {
      hosts++;
    } else if (text_is(header->name, "content-length")) {
      int status = parse_length(header->value, &request->content_length);
      if (status) return status;
      lengths++;
    } else if (text_is(header->name, "transfer-encoding")) {
      if (!text_is(header->value, "chunked")) return 501;
      request->chunked = true;
      encodings++;
    } else if (text_is(header->name, "connection")) {
      if (list_has(header->value, "close"))
        request->keep_alive = false;
      else if (request->minor == 0 && list_has(header->value, "keep-alive"))
        request->keep_alive = true;
    } else if (text_is(header->name, "expect")) {
      if (!text_is(header->value, "100-continue")) return 417;
      request->expects_continue = request->minor >= 1;
    }
  }
  if (hosts > 1 || (hosts == 0 && request->minor >= 1)) return 400;
  if (lengths > 1 || encodings > 1 || (lengths && encodings)) return 400;
  return encodings && request->minor == 0 ? 400 : 0;
}

int http_parse(const char *head, size_t length, struct http_request *request) {
  const char *at = head, *end = head + length;
  struct text line;
  memset(request, 0, offsetof(struct http_request, headers));
  if (!next_line(&at, end, &line)) return 400;
  int status = parse_request_line(line, request);
  while (status == 0) {
    if (!next_line(&at, end, &line)) return 400;
    if (line.length == 0) return at == end ? parse_framing(request) : 400;
    status = parse_header(line, request);
  }
  return status;
}
