/* An object that is larger than a check can say.
 * expect: elements and objects are of less than 64 KiB */
#include <lucet.h>
#ifdef RIGHT
enum { SIZE = 65535 };
#else
enum { SIZE = 65537 };
#endif
struct large {
  uint8_t bytes[SIZE];
};
static void host(lucet_call *call, struct large *one) {
  (void)call;
  (void)one;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_OBJECT_OUT(struct large))};
