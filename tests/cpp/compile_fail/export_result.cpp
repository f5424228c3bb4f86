// Several results do not fit a C function.
// expect: for several results or lucet_v128, use instance::run
#include <lucet.hpp>
#ifdef RIGHT
#define TYPE int32_t()
#else
using two = std::tuple<int32_t, int32_t>;
#define TYPE two()
#endif
void look(const lucet::module &module);
void look(const lucet::module &module) { (void)module.func<TYPE>("f"); }
