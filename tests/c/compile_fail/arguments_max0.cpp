/* A maximum of no elements.
 * expect: LUCET_MAX is 1 to 4294967295 */
#include <lucet.h>
#ifdef RIGHT
#define OPTION LUCET_MAX(1)
#else
#define OPTION LUCET_MAX(0)
#endif
static void host(lucet_call *call, lucet_bytes some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_WITH(lucet_bytes, OPTION))};
