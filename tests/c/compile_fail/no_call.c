/* The first parameter of a host function is its lucet_call.
 * expect: host is not a int32_t(lucet_call * , int32_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
#ifdef RIGHT
static int32_t host(lucet_call *call, int32_t value) {
  (void)call;
  return value;
}
#else
static int32_t host(int32_t value) { return value; }
#endif
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, int32_t)};
