/* filter: changes the responses of others, as its configuration says, one word: upper (makes letters of the
 * body large), count (puts the number of bytes behind the body), drop (sends no body), secret (takes headers
 * away), and, hostile: spin-header, trap-header, refuse-header, spin-body, trap-body, refuse-body,
 * badptr-body, wait-body. Always marks the response with X-Filter. As a variable it is the word itself. */
#include "lucet_http.h"

static char word[32], piece[4096];
static int32_t word_length;
static uint32_t total;

static int is(const char *text) {
  int32_t n = 0;
  while (text[n]) {
    if (n >= word_length || word[n] != text[n]) return 0;
    n++;
  }
  return n == word_length;
}

static void spin(void) {
  for (volatile uint32_t i = 0;;)
    i++;
}

static void configure(void) {
  if (word_length == 0) word_length = lucet_http_config(word, sizeof word);
  if (word_length > (int32_t)sizeof word) word_length = 0;
}

int32_t lucet_http_header_filter(void) {
  configure();
  if (is("spin-header")) spin();
  if (is("trap-header")) __builtin_trap();
  if (is("refuse-header")) return 3;
  if (is("secret")) {
    lucet_http_resp_header_remove("X-Secret", 8);
    if (lucet_http_resp_get_status() == 404 && lucet_http_resp_status(410) != 0) return 4;
  }
  if (lucet_http_resp_write("x", 1) != LUCET_HTTP_FORBIDDEN) return 5;
  return lucet_http_resp_header_set("X-Filter", 8, word, (size_t)word_length);
}

static int32_t change(void) {
  uint32_t at = 0;
  for (;;) {
    int32_t n = lucet_http_chunk_read(at, piece, sizeof piece);
    if (n <= 0) return n;
    at += (uint32_t)n;
    total += (uint32_t)n;
    if (is("drop")) continue;
    for (int32_t i = 0; is("upper") && i < n; i++)
      if (piece[i] >= 'a' && piece[i] <= 'z') piece[i] = (char)(piece[i] - 'a' + 'A');
    if (lucet_http_resp_write(piece, (size_t)n) != 0) return 6;
  }
}

static int32_t write_total(void) {
  char digits[12];
  uint32_t at = sizeof digits, n = total;
  digits[--at] = '\n';
  do {
    digits[--at] = (char)('0' + n % 10);
    n /= 10;
  } while (n);
  return lucet_http_resp_write(digits + at, sizeof digits - at);
}

int32_t lucet_http_body_filter(void) {
  configure();
  if (is("spin-body")) spin();
  if (is("trap-body")) __builtin_trap();
  if (is("refuse-body")) return 3;
  if (is("badptr-body")) return lucet_http_chunk_read(0, (void *)0xfffffff0u, 64);
  if (is("wait-body") && lucet_http_sleep(1) != LUCET_HTTP_CANNOT_WAIT) return 4;
  if (lucet_http_resp_status(404) != LUCET_HTTP_TOO_LATE) return 5;
  int32_t failed = change();
  if (failed) return failed;
  return is("count") && lucet_http_chunk_is_last() ? write_total() : 0;
}

int32_t lucet_http_variable(void) {
  configure();
  if (is("spin-body")) spin();
  return lucet_http_resp_write(word, (size_t)word_length);
}
