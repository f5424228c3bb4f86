// A double for a float.
// expect: a narrowing argument of a typed export
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENTS guest, 1, 2.5f
#else
#define ARGUMENTS guest, 1, real
#endif
auto enter(const lucet::func<int32_t(uint64_t, float)> &f, lucet::instance &guest, int64_t number, double real);
auto enter(const lucet::func<int32_t(uint64_t, float)> &f, lucet::instance &guest, int64_t number, double real) {
  (void)number;
  (void)real;
  return f(ARGUMENTS);
}
