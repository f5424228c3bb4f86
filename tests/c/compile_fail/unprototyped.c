/* A function declared with () accepts any arguments in C before C2x: its parameters are not known.
 * expect: host is declared without its parameters
 * expect-c99: declared_without_parameters
 * standards: c99 c11 c17 */
#include <lucet.h>
#ifdef RIGHT
extern int32_t host(lucet_call *call, int32_t value);
#else
extern int32_t host();
#endif
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, int32_t)};
