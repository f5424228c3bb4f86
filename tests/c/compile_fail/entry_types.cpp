/* A typed entry looked up with other types than it was declared with.
 * expect-gcc: invalid conversion from
 * expect-clang: non-const lvalue reference to type|no matching function */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER int32_t
#else
#define PARAMETER int64_t
#endif
bool find(const lucet_module *module);
bool find(const lucet_module *module) {
  LUCET_ENTRY(sum, int32_t, int32_t);
  return LUCET_FIND(sum, module, "sum", int32_t, PARAMETER);
}
