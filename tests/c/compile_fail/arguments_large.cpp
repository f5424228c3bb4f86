/* Elements that are larger than a check can say.
 * expect: elements and objects are of less than 64 KiB */
#include <lucet.h>
#ifdef RIGHT
enum { SIZE = 65535 };
#else
enum { SIZE = 65540 };
#endif
struct large {
  uint8_t bytes[SIZE];
};
LUCET_SLICE(larges, const struct large);
static void host(lucet_call *call, larges some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_IN(larges))};
