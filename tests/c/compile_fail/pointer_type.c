/* A pointer of the host never goes to a guest by itself.
 * expect: const char * is not a WebAssembly type
 * expect-c99: not_a_webassembly_type */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER lucet_externref
#else
#define PARAMETER const char *
#endif
static void host(lucet_call *call, PARAMETER value) {
  (void)call;
  (void)value;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, PARAMETER)};
