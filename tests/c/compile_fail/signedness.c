/* int32_t and uint32_t are both i32, but not the same C function type.
 * expect: is not a int32_t(lucet_call * , int32_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
static int32_t host(lucet_call *call, uint32_t value) {
  (void)call;
  return value > 1;
}
#ifdef RIGHT
#define PARAMETER uint32_t
#else
#define PARAMETER int32_t
#endif
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, PARAMETER)};
