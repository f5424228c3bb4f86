/* callback, hostile: asks the host to call it back, in which it asks again, without end.
 * Expected: the host refuses at its callback depth; trap, too many nested callbacks. */
#include "lucet_http.h"

/* Module "demo" is not part of lucet_http_v0: the server offers it to show calls from the host into a running
 * guest. Calls the function with this number in the guest's table, whose type is int32_t(int32_t), with
 * `argument`. */
__attribute__((import_module("demo"), import_name("call_back"))) int32_t
call_back(int32_t (*function)(int32_t), int32_t argument);

static int32_t levels;

static int32_t again(int32_t depth) {
  levels = depth;
  return call_back(again, depth + 1) + 1;
}

static int32_t once(int32_t argument) { return argument + 1; }

int32_t lucet_http_handle(void) {
  char uri[64];
  int32_t length = lucet_http_req_uri(uri, sizeof uri);
  if (length > 0 && (size_t)length <= sizeof uri &&
      uri[length - 1] == 'e') { /* .../once: the harmless form */
    if (call_back(once, 41) != 42) return 1;
    return lucet_http_resp_write("called back once\n", 17);
  }
  return call_back(again, 1);
}
