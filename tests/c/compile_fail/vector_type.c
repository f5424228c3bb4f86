/* lucet_v128 is a struct, which is passed in other registers than vectors are: that is lucet_vector.
 * expect: lucet_v128 is not a WebAssembly type
 * expect-c99: not_a_webassembly_type */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER lucet_vector
#else
#define PARAMETER lucet_v128
#endif
static void host(lucet_call *call, PARAMETER value) {
  (void)call;
  (void)value;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, PARAMETER)};
