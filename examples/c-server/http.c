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

const struct http_header *http_find(const struct http_headers *headers, const char *name, size_t length) {
  for (size_t i = 0; i < headers->count; i++) {
    const struct http_header *header = &headers->all[i];
    if (rules_same_name(header->name.data, header->name.length, name, length)) return header;
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

static int parse_header(struct text line, struct http_headers *headers) {
  const char *colon = memchr(line.data, ':', line.length);
  if (!colon) return 400;
  size_t name_length = (size_t)(colon - line.data), start = name_length + 1, end = line.length;
  if (!rules_is_token(line.data, name_length)) return 400; /* also: a blank before the colon, a folded line */
  while (start < end && is_blank(line.data[start]))
    start++;
  while (end > start && is_blank(line.data[end - 1]))
    end--;
  if (!rules_is_header_value(line.data + start, end - start)) return 400;
  if (headers->count == HTTP_MAX_HEADERS) return 431;
  headers->all[headers->count++] =
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
  for (size_t i = 0; i < request->headers.count; i++) {
    const struct http_header *header = &request->headers.all[i];
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

/* The lines up to the empty one, which must be the last. */
static int parse_headers(const char **at, const char *end, struct http_headers *headers) {
  struct text line;
  headers->count = 0;
  for (;;) {
    if (!next_line(at, end, &line)) return 400;
    if (line.length == 0) return *at == end ? 0 : 400;
    int status = parse_header(line, headers);
    if (status) return status;
  }
}

int http_parse(const char *head, size_t length, struct http_request *request) {
  const char *at = head, *end = head + length;
  struct text line;
  memset(request, 0, offsetof(struct http_request, headers));
  request->headers.count = 0;
  if (!next_line(&at, end, &line)) return 400;
  int status = parse_request_line(line, request);
  if (status == 0) status = parse_headers(&at, end, &request->headers);
  return status ? status : parse_framing(request);
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static bool parse_status_line(struct text line, struct http_response *response) {
  const char *t = line.data;
  if (line.length < 12 || memcmp(t, "HTTP/1.", 7) != 0 || t[7] < '0' || t[7] > '9' || t[8] != ' ')
    return false;
  if (line.length > 12 && t[12] != ' ') return false;
  response->status = 0;
  for (int i = 9; i < 12; i++) {
    if (t[i] < '0' || t[i] > '9') return false;
    response->status = response->status * 10 + (t[i] - '0');
  }
  return response->status >= 100;
}

bool http_parse_response(const char *head, size_t length, struct http_response *response) {
  const char *at = head, *end = head + length;
  struct text line;
  response->chunked = response->has_length = false;
  response->content_length = 0;
  if (!next_line(&at, end, &line) || !parse_status_line(line, response)) return false;
  if (parse_headers(&at, end, &response->headers) != 0) return false;
  for (size_t i = 0; i < response->headers.count; i++) {
    const struct http_header *header = &response->headers.all[i];
    if (text_is(header->name, "transfer-encoding")) {
      if (!text_is(header->value, "chunked")) return false;
      response->chunked = true;
    } else if (text_is(header->name, "content-length")) {
      if (response->has_length || parse_length(header->value, &response->content_length) != 0) return false;
      response->has_length = true;
    }
  }
  return !(response->chunked && response->has_length);
}
