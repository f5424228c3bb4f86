/* Thirteen parameters.
 * expect: at most 12 parameters */
#include <lucet.h>
typedef int32_t i;
extern const lucet_host_function rows[];
#ifdef RIGHT
static void host(lucet_call *, i, i, i, i, i, i, i, i, i, i, i, i) {}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, i, i, i, i, i, i, i, i, i, i, i, i)};
#else
static void host(lucet_call *, i, i, i, i, i, i, i, i, i, i, i, i, i) {}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, i, i, i, i, i, i, i, i, i, i, i, i, i)};
#endif
