/* A host function whose result is not the declared one.
 * expect: ret64 is not a int32_t(lucet_call * , int32_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
static int64_t ret64(lucet_call *call, int32_t value) {
  (void)call;
  return value;
}
#ifdef RIGHT
#define RESULT int64_t
#else
#define RESULT int32_t
#endif
const lucet_host_function rows[] = {LUCET_HOST("f", ret64, RESULT, int32_t)};
