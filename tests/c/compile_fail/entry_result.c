/* A typed entry looked up with another result: the guest's 8 bytes would be stored in the host's 4.
 * expect: sum is not a uint32_t(lucet_instance *, int64_t * )
 * expect-c99: not_of_the_declared_type */
#include <lucet.h>
#ifdef RIGHT
#define RESULT int32_t
#else
#define RESULT int64_t
#endif
int find(const lucet_module *module);
int find(const lucet_module *module) {
  LUCET_ENTRY(sum, int32_t);
  return LUCET_FIND(sum, module, "sum", RESULT);
}
