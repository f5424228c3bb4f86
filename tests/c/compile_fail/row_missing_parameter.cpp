/* The types are given, not deduced: a parameter too many is not made up.
 * expect-gcc: invalid conversion from
 * expect-clang: no known conversion|cannot initialize a parameter */
#include <lucet.h>
static int32_t host(lucet_call *, int32_t one, int32_t two) { return one + two; }
extern const lucet_host_function rows[];
#ifdef RIGHT
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, int32_t, int32_t)};
#else
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, int32_t)};
#endif
