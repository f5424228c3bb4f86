/* A host function with another parameter type than declared.
 * expect-gcc: invalid conversion from
 * expect-clang: no known conversion|cannot initialize a parameter */
#include <lucet.h>
static int32_t host(lucet_call *, int64_t value) { return value > 1; }
#ifdef RIGHT
#define PARAMETER int64_t
#else
#define PARAMETER int32_t
#endif
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, int32_t, PARAMETER)};
