// A fraction for an integer.
// expect: a narrowing argument of a typed export
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENTS guest, 1, 2u
#else
#define ARGUMENTS guest, 1, 2.5
#endif
auto enter(const lucet::func<int32_t(int32_t, int32_t)> &f, lucet::instance &guest, int64_t number, double real);
auto enter(const lucet::func<int32_t(int32_t, int32_t)> &f, lucet::instance &guest, int64_t number, double real) {
  (void)number;
  (void)real;
  return f(ARGUMENTS);
}
