/* gate: decides whether a request may go on, by its X-Gate header: allow, none (no opinion), deny, page (a
 * 403 with a page of its own), login (a 401 that says how), wait (for 20 ms, then allow), body (allow what
 * has a body), fetch (ask somebody else), and, hostile: spin, trap, nonsense. Without the header: allow, and
 * say so in the response. */
#include "lucet_http.h"

static int is(const char *text, int32_t length, const char *word) {
  int32_t n = 0;
  while (word[n]) {
    if (n >= length || text[n] != word[n]) return 0;
    n++;
  }
  return n == length;
}

int32_t lucet_http_access(void) {
  char gate[16];
  int32_t length = lucet_http_req_header("x-gate", 6, gate, sizeof gate);
  if (length < 0) return lucet_http_resp_header("X-Gate", 6, "passed", 6);
  if (is(gate, length, "allow")) return 0;
  if (is(gate, length, "none")) return 1;
  if (is(gate, length, "deny")) return 403;
  if (is(gate, length, "page")) {
    lucet_http_resp_header("Content-Type", 12, "text/plain", 10);
    lucet_http_resp_write("not you\n", 8);
    return 403;
  }
  if (is(gate, length, "login")) {
    lucet_http_resp_header("WWW-Authenticate", 16, "Basic realm=gate", 16);
    return 401;
  }
  if (is(gate, length, "wait")) return lucet_http_sleep(20);
  if (is(gate, length, "body")) return lucet_http_req_body_len() > 0 ? 0 : 411;
  if (is(gate, length, "fetch"))
    return lucet_http_fetch_status(lucet_http_fetch("/judge", 6)) == 200 ? 0 : 403;
  if (is(gate, length, "spin"))
    for (volatile uint32_t i = 0;;)
      i++;
  if (is(gate, length, "trap")) __builtin_trap();
  return 12345;
}
