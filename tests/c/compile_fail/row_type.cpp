/* A type that WebAssembly does not have.
 * expect: not a WebAssembly type */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER int32_t
#else
#define PARAMETER bool
#endif
static int32_t host(lucet_call *, PARAMETER value) { return value ? 1 : 0; }
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, PARAMETER)};
