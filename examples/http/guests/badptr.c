/* badptr, hostile: passes ranges outside its memory to the host. /badptr/F/K calls function F (0 to 23, every
 * pointer of every function that takes one) with range K (0 to 3). Expected, 96 times: trap, bad argument to
 * a host function. */
#include "lucet_http.h"

enum { FUNCTIONS = 24, RANGES = 4, PAGE = 65536 };

static void range(uint32_t kind, char **pointer, size_t *length) {
  uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) * PAGE;
  switch (kind) {
  case 0:
    *pointer = (char *)0xfffffff0u, *length = 64;
    break; /* wraps around 2^32 */
  case 1:
    *pointer = (char *)(end - 1), *length = 2;
    break; /* the last byte is one too far */
  case 2:
    *pointer = (char *)16, *length = 0xffffffffu;
    break; /* starts well, ends nowhere */
  default:
    *pointer = (char *)(end + 1), *length = 0;
    break; /* empty, but not inside */
  }
}

static int64_t attack(uint32_t function, char *p, size_t n) {
  char good[8];
  switch (function) {
  case 0:
    return lucet_http_req_method(p, n);
  case 1:
    return lucet_http_req_uri(p, n);
  case 2:
    return lucet_http_req_header(p, n, good, sizeof good);
  case 3:
    return lucet_http_req_header("no-such-header", 14, p, n);
  case 4:
    return lucet_http_req_header_at(0, p, n, good, sizeof good);
  case 5:
    return lucet_http_req_header_at(1u << 31, good, sizeof good, p, n);
  case 6:
    return lucet_http_req_body_read((uint64_t)1 << 63, p, n);
  case 7:
    return lucet_http_resp_header(p, n, "x", 1);
  case 8:
    return lucet_http_resp_header("X-Good", 6, p, n);
  case 9:
    return lucet_http_resp_write(p, n);
  case 10:
    return lucet_http_log(LUCET_HTTP_LOG_ERROR, p, n);
  case 11:
    return lucet_http_random(p, n);
  case 12:
    return lucet_http_resp_header_set(p, n, "x", 1);
  case 13:
    return lucet_http_resp_header_set("X-Good", 6, p, n);
  case 14:
    return lucet_http_resp_header_remove(p, n);
  case 15:
    return lucet_http_resp_get_header(p, n, good, sizeof good);
  case 16:
    return lucet_http_resp_get_header("X-Good", 6, p, n);
  case 17:
    return lucet_http_fetch(p, n);
  case 18:
    return lucet_http_fetch_header(0, p, n, good, sizeof good);
  case 19:
    return lucet_http_fetch_header(0, "x", 1, p, n);
  case 20:
    return lucet_http_fetch_body_read(0, (uint64_t)1 << 63, p, n);
  case 21:
    return lucet_http_config(p, n);
  case 22:
    return lucet_http_variable_get(p, n, good, sizeof good);
  default:
    return lucet_http_variable_get("no-such-variable", 16, p, n);
  }
}

/* The numbers F and K from the end of the target. */
static int choose(uint32_t *function, uint32_t *kind) {
  char uri[64];
  int32_t length = lucet_http_req_uri(uri, sizeof uri), i = 0;
  uint32_t numbers[2] = {0, 0};
  if (length < 0 || (size_t)length > sizeof uri) return 0;
  while (i < length && (uri[i] < '0' || uri[i] > '9'))
    i++;
  for (int which = 0; i < length && which < 2; i++) {
    if (uri[i] == '/')
      which++;
    else if (uri[i] < '0' || uri[i] > '9')
      return 0;
    else if (which < 2)
      numbers[which] = numbers[which] * 10 + (uint32_t)(uri[i] - '0');
  }
  *function = numbers[0], *kind = numbers[1];
  return *function < FUNCTIONS && *kind < RANGES;
}

int32_t lucet_http_handle(void) {
  uint32_t function, kind;
  char *pointer;
  size_t length;
  if (!choose(&function, &kind)) {
    lucet_http_resp_status(404);
    return 0;
  }
  range(kind, &pointer, &length);
  attack(function, pointer, length);
  return lucet_http_resp_write("the host took it\n", 17); /* a 200 is a failed test */
}
