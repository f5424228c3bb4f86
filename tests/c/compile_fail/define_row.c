/* Rows made in place are checked like those of a table.
 * expect: host is not a int32_t(lucet_call * , int32_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
static int32_t host(lucet_call *call, int32_t one, int32_t two) {
  (void)call;
  return one + two;
}
lucet_status define(lucet_linker *linker);
lucet_status define(lucet_linker *linker) {
#ifdef RIGHT
  return LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("f", host, int32_t, int32_t, int32_t));
#else
  return LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("f", host, int32_t, int32_t));
#endif
}
