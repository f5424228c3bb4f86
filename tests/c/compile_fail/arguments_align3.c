/* An alignment that is none.
 * expect: LUCET_ALIGN is a power of two up to 128
 * expect-c99: LUCET_ALIGN_is_a_power_of_two_up_to_128 */
#include <lucet.h>
#ifdef RIGHT
#define OPTION LUCET_ALIGN(4)
#else
#define OPTION LUCET_ALIGN(3)
#endif
static void host(lucet_call *call, lucet_bytes some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_WITH(lucet_bytes, OPTION))};
