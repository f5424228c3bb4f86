/* hello: the smallest guest. Greets whoever the X-Name header says. */
#include "lucet_http.h"

static int write_text(const char *text, size_t length) { return lucet_http_resp_write(text, length); }
#define WRITE(literal) write_text(literal, sizeof(literal) - 1)

int32_t lucet_http_handle(void) {
  char name[64];
  int32_t length = lucet_http_req_header("x-name", 6, name, sizeof name);
  if (lucet_http_resp_header("Content-Type", 12, "text/plain", 10) != 0) return 1;
  if (length < 0) return WRITE("hello, world\n");
  if ((size_t)length > sizeof name) {
    if (lucet_http_resp_status(400) != 0) return 1;
    return WRITE("that is a long name\n");
  }
  if (WRITE("hello, ") != 0 || lucet_http_resp_write(name, (size_t)length) != 0) return 1;
  return WRITE("\n");
}
