/* Elements that are only read are const.
 * expect: elements of LUCET_IN are const
 * expect-c99: const_elements_are_for_LUCET_IN */
#include <lucet.h>
#ifdef RIGHT
#define SLICE lucet_u32s
#else
#define SLICE lucet_u32s_out
#endif
static void host(lucet_call *call, SLICE words) {
  (void)call;
  (void)words;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_IN(SLICE))};
