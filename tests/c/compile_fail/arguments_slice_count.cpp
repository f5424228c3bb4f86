/* A struct whose count is no size_t.
 * expect: a slice is a struct made by LUCET_SLICE */
#include <lucet.h>
#ifdef RIGHT
LUCET_SLICE(numbers, const uint32_t);
#else
typedef struct numbers {
  const uint32_t *data;
  double count;
} numbers;
#endif
static void host(lucet_call *call, numbers some) {
  (void)call;
  (void)some;
}
extern const lucet_host_function rows[];
const lucet_host_function rows[] = {LUCET_HOST("f", host, void, LUCET_IN(numbers))};
