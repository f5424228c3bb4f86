/* The function has one parameter more than declared.
 * expect: host is not a void(lucet_call * , int32_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
static void host(lucet_call *call, int32_t one, int32_t two) {
  (void)call;
  (void)one;
  (void)two;
}
#ifdef RIGHT
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, int32_t, int32_t)};
#else
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, int32_t)};
#endif
