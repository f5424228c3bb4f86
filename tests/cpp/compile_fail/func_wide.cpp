// 64 bits for 32.
// expect: a narrowing argument of a typed export
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENTS guest, short{1}, static_cast<int32_t>(number)
#else
#define ARGUMENTS guest, 1, number
#endif
auto enter(const lucet::func<int32_t(int32_t, int32_t)> &f, lucet::instance &guest, int64_t number, double real);
auto enter(const lucet::func<int32_t(int32_t, int32_t)> &f, lucet::instance &guest, int64_t number, double real) {
  (void)number;
  (void)real;
  return f(ARGUMENTS);
}
