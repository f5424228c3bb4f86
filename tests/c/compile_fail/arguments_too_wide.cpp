/* A type that does not hold all allowed numbers.
 * expect: the type cannot hold all allowed numbers */
#include <lucet.h>
#ifdef RIGHT
enum { most = 255 };
#else
enum { most = 256 };
#endif
static void host(lucet_call *, uint8_t) {}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_UNSIGNED(uint8_t, most))};
