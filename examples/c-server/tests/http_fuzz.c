/* http_fuzz.c: damages requests at random and gives them to the parser and the chunk decoder. What it checks,
 * besides not crashing: texts of an accepted request lie inside its head and contain nothing that the grammar
 * forbids, and the decoder's answer does not depend on how its input is cut into pieces. The same seed gives
 * the same run.
 *
 *   http_fuzz ROUNDS [SEED] */
#include "../http.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const seeds[] = {
    "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: keep-alive, close\r\n\r\n",
    "PUT / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    "POST /x HTTP/1.1\r\nhost: y\r\nTransfer-Encoding: chunked\r\nX: \t a b \r\n\r\n",
};
static const char *const chunk_seeds[] = {
    "5\r\nhello\r\n0\r\n\r\n",
    "a;x=y\r\n0123456789\r\n1\r\n!\r\n0\r\nTrailer: t\r\nOther: o\r\n\r\n",
    "00000\r\n\r\n",
};

static uint64_t state;

static size_t pick(size_t below) { /* xorshift64 */
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (size_t)(state % below);
}

static size_t damage(const char *seed, char *out, size_t capacity) {
  static const char nasty[] = "\r\n\t :;,=0123456789abcfF\0\x7f\xff-+";
  size_t length = strlen(seed);
  memcpy(out, seed, length);
  for (size_t n = pick(4); n > 0; n--) {
    size_t at = pick(length);
    switch (pick(3)) {
    case 0:
      out[at] = nasty[pick(sizeof nasty - 1)];
      break;
    case 1:
      memmove(out + at, out + at + 1, length - at - 1);
      if (length > 2) length--;
      break;
    default:
      if (length + 1 >= capacity) break;
      memmove(out + at + 1, out + at, length - at);
      out[at] = nasty[pick(sizeof nasty - 1)];
      length++;
    }
  }
  return length;
}

static void check(bool good, const char *what, const char *bytes, size_t length) {
  if (good) return;
  fprintf(stderr, "http_fuzz: %s:\n", what);
  fwrite(bytes, 1, length, stderr);
  exit(1);
}

static bool inside(struct text text, const char *head, size_t length) {
  return text.data >= head && text.length <= length && (size_t)(text.data - head) <= length - text.length;
}

static bool parse_one(void) {
  char text[512];
  static struct http_request request;
  size_t length = damage(seeds[pick(sizeof seeds / sizeof seeds[0])], text, sizeof text);
  size_t head = http_head_length(text, length, 0);
  check(head <= length, "a head longer than the input", text, length);
  char *exact = malloc(head ? head : 1); /* so that a sanitizer sees a byte too many */
  if (!exact) exit(2);
  memcpy(exact, text, head);
  bool accepted = head > 0 && http_parse(exact, head, &request) == 0;
  if (accepted) {
    check(inside(request.target, exact, head) && request.target.data[0] == '/', "target", text, length);
    check(rules_is_token(request.method.data, request.method.length), "method", text, length);
    check(!request.chunked || request.content_length == 0, "two lengths", text, length);
    for (size_t i = 0; i < request.headers.count; i++) {
      struct http_header h = request.headers.all[i];
      check(inside(h.name, exact, head) && inside(h.value, exact, head), "header outside", text, length);
      check(rules_is_token(h.name.data, h.name.length), "header name", text, length);
      check(rules_is_header_value(h.value.data, h.value.length), "header value", text, length);
    }
  }
  free(exact);
  return accepted;
}

/* Decodes in pieces of at most `most` bytes. */
static int decode(const char *text, size_t length, size_t most, struct buffer *body, size_t *taken) {
  struct http_chunked chunked = {0};
  int status = 0;
  for (*taken = 0; *taken < length && !chunked.done && status == 0;) {
    size_t used, piece = length - *taken < most ? length - *taken : most;
    status = http_chunked_feed(&chunked, text + *taken, piece, &used, body, 14);
    *taken += used;
  }
  return status ? status : chunked.done;
}

static bool decode_one(void) {
  char text[256];
  struct buffer whole = {0}, pieces = {0};
  size_t length = damage(chunk_seeds[pick(sizeof chunk_seeds / sizeof chunk_seeds[0])], text, sizeof text);
  size_t all, some;
  int one = decode(text, length, length, &whole, &all),
      other = decode(text, length, 1 + pick(4), &pieces, &some);
  check(one == other && all == some, "another answer in pieces", text, length);
  check(whole.length == pieces.length &&
            (whole.length == 0 || !memcmp(whole.data, pieces.data, whole.length)),
        "another body in pieces", text, length);
  check(whole.length <= 14, "a body beyond the limit", text, length);
  buffer_free(&whole);
  buffer_free(&pieces);
  return one == 1;
}

int main(int count, char **arguments) {
  unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 100000, heads = 0, bodies = 0;
  state = count > 2 ? strtoull(arguments[2], NULL, 10) : 0;
  state ^= UINT64_C(0x9e3779b97f4a7c15); /* never 0 but for one seed */
  for (unsigned long i = 0; i < rounds; i++) {
    heads += parse_one();
    bodies += decode_one();
  }
  printf("%lu rounds: %lu heads and %lu bodies were accepted\n", rounds, heads, bodies);
  return heads > 0 && bodies > 0 && heads < rounds && bodies < rounds ? 0 : 1;
}
