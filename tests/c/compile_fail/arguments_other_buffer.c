/* The function writes to what the row says is only read.
 * expect: host is not a
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
#ifdef RIGHT
#define BUFFER lucet_bytes
#else
#define BUFFER lucet_bytes_out
#endif
static void host(lucet_call *call, BUFFER bytes) {
  (void)call;
  (void)bytes;
}
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, lucet_bytes)};
