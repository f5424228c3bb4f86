/* A type that does not hold all allowed numbers.
 * expect: the type cannot hold all allowed numbers
 * expect-c99: does_not_hold_all_allowed_numbers */
#include <lucet.h>
#ifdef RIGHT
#define MOST 255
#else
#define MOST 256
#endif
static void host(lucet_call *call, uint8_t number) {
  (void)call;
  (void)number;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_UNSIGNED(uint8_t, MOST))};
