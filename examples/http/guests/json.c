/* json: checks the request body against RFC 8259 and sends it back indented, or without white space if the
 * query is "minify". A body that is not JSON gets a 400 that says where and what was expected. Two passes
 * over the text: the first only checks, because status and headers are fixed by the first byte of the
 * response. */
#include "lucet_http.h"

enum { MAX_DEPTH = 200, PAGE = 65536 };

static const uint8_t *text;
static size_t length, at;
static const char *expected; /* set by the first mistake; NULL while all is well */
static int printing, indenting, depth, failed;
static uint8_t out[8192];
static size_t out_used;

static void flush(void) {
  if (out_used && lucet_http_resp_write(out, out_used) != 0) failed = 1;
  out_used = 0;
}
static void put(uint8_t c) {
  if (!printing) return;
  if (out_used == sizeof out) flush();
  out[out_used++] = c;
}
static void line_break(void) {
  if (!indenting) return;
  put('\n');
  for (int i = 0; i < 2 * depth; i++)
    put(' ');
}

static int peek(void) { return at < length ? text[at] : -1; }
static int wrong(const char *what) {
  if (!expected) expected = what;
  return 0;
}
static void space(void) {
  while (at < length && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
    at++;
}
static int copy(void) {
  put(text[at++]);
  return 1;
}
static int is_digit(int c) { return c >= '0' && c <= '9'; }
static int is_hex(int c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

static int escape(void) {
  static const char simple[] = "\"\\/bfnrt";
  copy();
  if (peek() == 'u') {
    copy();
    for (int i = 0; i < 4; i++)
      if (!is_hex(peek()))
        return wrong("four hexadecimal digits");
      else
        copy();
    return 1;
  }
  for (const char *s = simple; *s; s++)
    if (peek() == *s) return copy();
  return wrong("one of \"\\/bfnrtu after a backslash");
}

/* One character beyond ASCII: UTF-8 without overlong forms and surrogates. */
static int utf8(void) {
  int first = peek(), more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  int low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  int high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (first < 0xc2 || first > 0xf4) return wrong("UTF-8");
  copy();
  for (; more > 0; more--, low = 0x80, high = 0xbf)
    if (peek() < low || peek() > high)
      return wrong("UTF-8");
    else
      copy();
  return 1;
}

static int string(void) {
  if (peek() != '"') return wrong("a string");
  copy();
  for (;;) {
    int c = peek();
    if (c == '"') return copy();
    if (c < 0x20) return wrong(c < 0 ? "the end of the string" : "no control characters in a string");
    if (c == '\\' ? !escape() : c < 0x80 ? !copy() : !utf8()) return 0;
  }
}

static int digits(void) {
  if (!is_digit(peek())) return wrong("a digit");
  while (is_digit(peek()))
    copy();
  return 1;
}

static int number(void) {
  if (peek() == '-') copy();
  if (peek() == '0')
    copy();
  else if (!digits())
    return 0;
  if (peek() == '.' && copy() && !digits()) return 0;
  if (peek() != 'e' && peek() != 'E') return 1;
  copy();
  if (peek() == '+' || peek() == '-') copy();
  return digits();
}

static int word(const char *letters) {
  for (; *letters; letters++)
    if (peek() != *letters)
      return wrong("true, false or null");
    else
      copy();
  return 1;
}

static int value(void);

static int member(int object) {
  space();
  line_break();
  if (object) {
    if (!string()) return 0;
    space();
    if (peek() != ':') return wrong("':'");
    copy();
    if (indenting) put(' ');
  }
  if (!value()) return 0;
  space();
  return 1;
}

static int container(int object) {
  int end = object ? '}' : ']';
  copy();
  space();
  if (peek() == end) return copy();
  if (++depth > MAX_DEPTH) return wrong("less nesting");
  for (;;) {
    if (!member(object)) return 0;
    if (peek() != ',') break;
    copy();
  }
  if (peek() != end) return wrong(object ? "',' or '}'" : "',' or ']'");
  depth--;
  line_break();
  return copy();
}

static int value(void) {
  space();
  switch (peek()) {
  case '{':
    return container(1);
  case '[':
    return container(0);
  case '"':
    return string();
  case 't':
    return word("true");
  case 'f':
    return word("false");
  case 'n':
    return word("null");
  default:
    return peek() == '-' || is_digit(peek()) ? number() : wrong("a value");
  }
}

static int document(void) {
  at = 0;
  if (!value()) return 0;
  space();
  return at == length || wrong("nothing after the value");
}

static void put_text(const char *s) {
  while (*s)
    put((uint8_t)*s++);
}
static void put_number(size_t n) {
  if (n >= 10) put_number(n / 10);
  put((uint8_t)('0' + n % 10));
}

static int complain(void) {
  if (lucet_http_resp_status(400) != 0) return 1;
  printing = 1;
  put_text("not JSON: at byte ");
  put_number(at);
  put_text(", expected ");
  put_text(expected);
  put('\n');
  flush();
  return failed;
}

static int read_body(void) {
  int64_t size = lucet_http_req_body_len();
  size_t pages = (size_t)((size + PAGE - 1) / PAGE), first = __builtin_wasm_memory_grow(0, pages);
  if (first == (size_t)-1) {
    lucet_http_log(LUCET_HTTP_LOG_ERROR, "json: no memory for the body", 28);
    return 1;
  }
  text = (const uint8_t *)(first * PAGE);
  length = (size_t)size;
  return lucet_http_req_body_read(0, (void *)(first * PAGE), length) != (int32_t)length;
}

static int asks_to_minify(void) {
  static const char query[] = "?minify";
  char uri[256];
  int32_t n = lucet_http_req_uri(uri, sizeof uri);
  int32_t start = n - (int32_t)(sizeof query - 1);
  if (n > (int32_t)sizeof uri || start < 0) return 0;
  for (int32_t i = start; i < n; i++)
    if (uri[i] != query[i - start]) return 0;
  return 1;
}

int32_t lucet_http_handle(void) {
  if (read_body() != 0) return 1;
  if (!document()) return complain();
  if (lucet_http_resp_header("Content-Type", 12, "application/json", 16) != 0) return 1;
  printing = 1;
  indenting = !asks_to_minify();
  document();
  put('\n');
  flush();
  return failed;
}
