/* Elements that are pointers: a guest would choose them.
 * expect: elements and objects are no pointers */
#include <lucet.h>
#ifdef RIGHT
typedef uint64_t element;
#else
typedef const char *element;
#endif
LUCET_SLICE(elements, element);
static void host(lucet_call *call, elements some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_INOUT(elements))};
