// A leaf function that could throw.
// expect: a leaf host function must be noexcept
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(int32_t value) noexcept { return value; }
#else
static int32_t host(int32_t value) { return value; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define_leaf<&host>("env", "f"); }
