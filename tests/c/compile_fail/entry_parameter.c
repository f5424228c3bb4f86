/* A typed entry looked up with other parameters than it was declared with.
 * expect: sum is not a uint32_t(lucet_instance *, int32_t * , int64_t)
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
#ifdef RIGHT
#define PARAMETER int32_t
#else
#define PARAMETER int64_t
#endif
int find(const lucet_module *module);
int find(const lucet_module *module) {
  LUCET_ENTRY(sum, int32_t, int32_t);
  return LUCET_FIND(sum, module, "sum", int32_t, PARAMETER);
}
