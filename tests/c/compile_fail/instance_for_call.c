/* A pointer to another object in the place of the lucet_call.
 * expect: host is not a void(lucet_call * )
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
#ifdef RIGHT
static void host(lucet_call *call) { (void)call; }
#else
static void host(lucet_instance *call) { (void)call; }
#endif
const lucet_host_function rows[] = {LUCET_HOST_LEAF("f", host, void)};
