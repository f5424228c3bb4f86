/* Elements that are only read are const.
 * expect: the elements of LUCET_IN are const */
#include <lucet.h>
#ifdef RIGHT
typedef lucet_u32s words;
#else
typedef lucet_u32s_out words;
#endif
static void host(lucet_call *, words) {}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_IN(words))};
