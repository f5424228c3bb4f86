/* script: does what the query says, step after step, and writes what came of each: for trying the interface,
 * and for tests.
 *
 *   /script?sleep=10&say=hello&fetch=/a&status=0&content=0
 *
 * Steps without a value: flush, body, echo, config, now, clean, spin, trap. The others are in the table
 * below. */
#include "lucet_http.h"

enum { PAGE = 65536, SECRET = 20000 };

static char query[32768], buffer[16384];
static uint8_t secret[SECRET];
static int32_t result; /* what the guest returns */

/* ---- texts ---- */

struct text {
  const char *data;
  size_t length;
};

static size_t length_of(const char *text) {
  size_t n = 0;
  while (text[n])
    n++;
  return n;
}

static int is(struct text text, const char *word) {
  size_t n = length_of(word);
  for (size_t i = 0; i < n; i++)
    if (i >= text.length || text.data[i] != word[i]) return 0;
  return text.length == n;
}

static void say(const char *text) { lucet_http_resp_write(text, length_of(text)); }

static void say_number(int64_t n) {
  char digits[24];
  size_t at = sizeof digits;
  uint64_t left = n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n;
  do {
    digits[--at] = (char)('0' + left % 10);
    left /= 10;
  } while (left);
  if (n < 0) digits[--at] = '-';
  lucet_http_resp_write(digits + at, sizeof digits - at);
}

/* "name: number" on a line. */
static void report(struct text name, int64_t n) {
  lucet_http_resp_write(name.data, name.length);
  say(": ");
  say_number(n);
  say("\n");
}

/* "name: text" on a line, or the number if there is no text. */
static void report_text(struct text name, int32_t length) {
  if (length < 0) {
    report(name, length);
    return;
  }
  lucet_http_resp_write(name.data, name.length);
  say(": ");
  lucet_http_resp_write(buffer, (size_t)length < sizeof buffer ? (size_t)length : sizeof buffer);
  say("\n");
}

static int64_t number(struct text text) {
  int64_t n = 0;
  for (size_t i = 0; i < text.length && text.data[i] >= '0' && text.data[i] <= '9'; i++)
    n = n * 10 + (text.data[i] - '0');
  return n;
}

/* Cuts at the first `mark`; without one, the second part is empty. */
static struct text cut(struct text *rest, char mark) {
  struct text first = *rest;
  for (size_t i = 0; i < rest->length; i++)
    if (rest->data[i] == mark) {
      first.length = i;
      rest->data += i + 1;
      rest->length -= i + 1;
      return first;
    }
  rest->length = 0;
  return first;
}

/* ---- steps ---- */

static void write_bytes(int64_t count) {
  for (size_t i = 0; i < sizeof buffer; i++)
    buffer[i] = 'x';
  while (count > 0) {
    size_t n = count < (int64_t)sizeof buffer ? (size_t)count : sizeof buffer;
    if (lucet_http_resp_write(buffer, n) != 0) {
      result = 7;
      return;
    }
    count -= (int64_t)n;
  }
}

static void echo_body(void) {
  uint64_t at = 0;
  for (;;) {
    int32_t n = lucet_http_req_body_read(at, buffer, sizeof buffer);
    if (n <= 0) return;
    if (lucet_http_resp_write(buffer, (size_t)n) != 0) return;
    at += (uint64_t)n;
  }
}

static void write_fetched(int32_t fetch) {
  uint64_t at = 0;
  for (;;) {
    int32_t n = lucet_http_fetch_body_read(fetch, at, buffer, sizeof buffer);
    if (n <= 0) return;
    if (lucet_http_resp_write(buffer, (size_t)n) != 0) return;
    at += (uint64_t)n;
  }
}

/* How many bytes of a static array are not zero, as they must all be in a new instance; and leaves a secret
 * there. */
static void look_and_leave(struct text name) {
  int32_t found = 0;
  for (size_t i = 0; i < SECRET; i++)
    found += secret[i] != 0;
  report(name, found);
  for (size_t i = 0; i < SECRET; i++)
    secret[i] = 0xaa;
}

static void touch_pages(int64_t pages) {
  size_t first = __builtin_wasm_memory_grow(0, (size_t)pages);
  if (first == (size_t)-1) {
    result = 8;
    return;
  }
  for (size_t at = first * PAGE; at < (first + (size_t)pages) * PAGE; at += 4096)
    *(volatile char *)at = 1;
}

static void compute(int64_t steps) {
  uint32_t x = 2463534242u;
  for (int64_t i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
  }
  say_number(x);
  say("\n");
}

static void many_calls(int64_t calls) {
  int64_t before = lucet_http_now_ms(), changes = 0;
  for (int64_t i = 0; i < calls; i++)
    changes += lucet_http_now_ms() < before;
  say_number(changes);
  say("\n");
}

static void spin(void) {
  for (volatile uint32_t i = 0;;)
    i++;
}

static int plain_step(struct text name) {
  if (is(name, "flush"))
    lucet_http_resp_flush();
  else if (is(name, "body"))
    report(name, lucet_http_req_body_len());
  else if (is(name, "echo"))
    echo_body();
  else if (is(name, "config"))
    report_text(name, lucet_http_config(buffer, sizeof buffer));
  else if (is(name, "now"))
    report(name, lucet_http_now_ms());
  else if (is(name, "method"))
    report_text(name, lucet_http_req_method(buffer, sizeof buffer));
  else if (is(name, "uri"))
    report_text(name, lucet_http_req_uri(buffer, sizeof buffer));
  else if (is(name, "clean"))
    look_and_leave(name);
  else if (is(name, "spin"))
    spin();
  else if (is(name, "trap"))
    __builtin_trap();
  else
    return 0;
  return 1;
}

static int response_step(struct text name, struct text value) {
  struct text first = cut(&value, ':');
  if (is(name, "code")) {
    int32_t answer = lucet_http_resp_status((int32_t)number(first));
    if (answer != 0) report(name, answer);
  } else if (is(name, "header") || is(name, "set")) {
    int32_t (*add)(const void *, size_t, const void *, size_t) =
        is(name, "set") ? lucet_http_resp_header_set : lucet_http_resp_header;
    int32_t answer = add(first.data, first.length, value.data, value.length);
    if (answer != 0) report(name, answer);
  } else if (is(name, "remove")) {
    int32_t answer = lucet_http_resp_header_remove(first.data, first.length);
    if (answer < 0) report(name, answer);
  } else if (is(name, "get")) {
    report_text(name, lucet_http_resp_get_header(first.data, first.length, buffer, sizeof buffer));
  } else {
    return 0;
  }
  return 1;
}

static int fetch_step(struct text name, struct text value) {
  struct text first = cut(&value, ':');
  int32_t fetch = (int32_t)number(first);
  if (is(name, "status"))
    report(name, lucet_http_fetch_status(fetch));
  else if (is(name, "length"))
    report(name, lucet_http_fetch_body_len(fetch));
  else if (is(name, "content"))
    write_fetched(fetch);
  else if (is(name, "close"))
    report(name, lucet_http_fetch_close(fetch));
  else if (is(name, "fetched"))
    report_text(name, lucet_http_fetch_header(fetch, value.data, value.length, buffer, sizeof buffer));
  else
    return 0;
  return 1;
}

static int value_step(struct text name, struct text value) {
  if (is(name, "sleep"))
    report(name, lucet_http_sleep((uint32_t)number(value)));
  else if (is(name, "rest"))
    lucet_http_sleep((uint32_t)number(value));
  else if (is(name, "say"))
    lucet_http_resp_write(value.data, value.length);
  else if (is(name, "write"))
    write_bytes(number(value));
  else if (is(name, "fetch"))
    report(name, lucet_http_fetch(value.data, value.length));
  else if (is(name, "variable"))
    report_text(name, lucet_http_variable_get(value.data, value.length, buffer, sizeof buffer));
  else if (is(name, "request"))
    report_text(name, lucet_http_req_header(value.data, value.length, buffer, sizeof buffer));
  else if (is(name, "random"))
    report(name, lucet_http_random(buffer, (size_t)number(value)));
  else if (is(name, "log"))
    report(name, lucet_http_log(LUCET_HTTP_LOG_ERROR, value.data, value.length));
  else if (is(name, "grow"))
    report(name, (int32_t)__builtin_wasm_memory_grow(0, (size_t)number(value)));
  else if (is(name, "touch"))
    touch_pages(number(value));
  else if (is(name, "compute"))
    compute(number(value));
  else if (is(name, "calls"))
    many_calls(number(value));
  else if (is(name, "return"))
    result = (int32_t)number(value);
  else
    return 0;
  return 1;
}

int32_t lucet_http_handle(void) {
  int32_t length = lucet_http_req_uri(query, sizeof query);
  if (length < 0 || (size_t)length > sizeof query) return 9;
  struct text rest = {query, (size_t)length};
  cut(&rest, '?');
  while (rest.length > 0) {
    struct text value = cut(&rest, '&'), name = cut(&value, '=');
    if (!plain_step(name) && !response_step(name, value) && !fetch_step(name, value) &&
        !value_step(name, value)) {
      lucet_http_resp_write(name.data, name.length);
      say("?\n");
    }
  }
  return result;
}
