// A leaf function that would need arrays.
// expect: a leaf host function has at most 12 parameters, one result, and no lucet_v128
#include <lucet.hpp>
#ifdef RIGHT
static int64_t host(int64_t) noexcept { return 1; }
#else
static int64_t host(lucet_v128) noexcept { return 1; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define_leaf<&host>("env", "f"); }
