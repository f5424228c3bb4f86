/* A maximum that does not fit.
 * expect: LUCET_MAX is 1 to 4294967295
 * expect-c99: LUCET_MAX_is_1_to_4294967295 */
#include <lucet.h>
#ifdef RIGHT
#define OPTION LUCET_MAX(0xffffffff)
#else
#define OPTION LUCET_MAX(0x100000000)
#endif
static void host(lucet_call *call, lucet_bytes some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_WITH(lucet_bytes, OPTION))};
