// A function is called on an instance.
// expect-gcc: no match for call
// expect-clang: no matching function for call
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENTS guest, 1
#else
#define ARGUMENTS module, 1
#endif
int32_t enter(const lucet::func<int32_t(int32_t)> &f, lucet::module &module, lucet::instance &guest);
int32_t enter(const lucet::func<int32_t(int32_t)> &f, lucet::module &module, lucet::instance &guest) {
  (void)module;
  (void)guest;
  return f(ARGUMENTS);
}
