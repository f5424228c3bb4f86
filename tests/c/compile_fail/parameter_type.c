/* A host function with another parameter type than declared.
 * expect: host is not a int32_t(lucet_call * , float)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
static int32_t host(lucet_call *call, double value) {
  (void)call;
  return value > 1;
}
#ifdef RIGHT
#define PARAMETER double
#else
#define PARAMETER float
#endif
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, PARAMETER)};
