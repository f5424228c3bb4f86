/* A struct in which the count comes first.
 * expect: a slice is a struct made by LUCET_SLICE
 * expect-c99: not_made_by_LUCET_SLICE */
#include <lucet.h>
#ifdef RIGHT
LUCET_SLICE(numbers, const uint32_t);
#else
typedef struct numbers {
  size_t count;
  const uint32_t *data;
} numbers;
#endif
static void host(lucet_call *call, numbers some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_IN(numbers))};
