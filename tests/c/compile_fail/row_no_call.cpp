/* The first parameter of a host function is its lucet_call.
 * expect-gcc: invalid conversion from
 * expect-clang: no known conversion|cannot initialize a parameter */
#include <lucet.h>
#ifdef RIGHT
static int32_t host(lucet_call *, int32_t value) { return value; }
#else
static int32_t host(lucet_instance *, int32_t value) { return value; }
#endif
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, int32_t)};
