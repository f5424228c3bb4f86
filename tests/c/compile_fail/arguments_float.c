/* A float with the check of an integer.
 * expect: the type cannot hold all allowed numbers
 * expect-c99: does_not_hold_all_allowed_numbers */
#include <lucet.h>
#ifdef RIGHT
typedef uint32_t number;
#else
typedef float number;
#endif
static void host(lucet_call *call, number one) {
  (void)call;
  (void)one;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_UNSIGNED(number, 2))};
