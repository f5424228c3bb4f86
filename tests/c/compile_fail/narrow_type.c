/* WebAssembly has no 16-bit integers.
 * expect: short is not a WebAssembly type
 * expect-c99: not_a_webassembly_type */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER int
#else
#define PARAMETER short
#endif
static void host(lucet_call *call, PARAMETER value) {
  (void)call;
  (void)value;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, PARAMETER)};
