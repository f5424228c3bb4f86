/* spin_callback, hostile: computes for ever in a function that the host calls back. Expected: stopped there,
 * like any other guest. */
#include "lucet_http.h"

__attribute__((import_module("demo"), import_name("call_back"))) int32_t
call_back(int32_t (*function)(int32_t), int32_t argument);

static int32_t spin(int32_t argument) {
  for (volatile uint32_t i = 0;;)
    i += (uint32_t)argument;
}

int32_t lucet_http_handle(void) { return call_back(spin, 1); }
