// 64 bits for a double, which holds 53.
// expect: a narrowing argument of a typed export
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENTS guest, 1.5f, static_cast<int32_t>(number)
#else
#define ARGUMENTS guest, 1.5f, number
#endif
auto enter(const lucet::func<int32_t(double, double)> &f, lucet::instance &guest, int64_t number, double real);
auto enter(const lucet::func<int32_t(double, double)> &f, lucet::instance &guest, int64_t number, double real) {
  (void)number;
  (void)real;
  return f(ARGUMENTS);
}
