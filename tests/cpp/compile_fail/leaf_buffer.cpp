// A leaf function cannot refuse a bad buffer.
// expect: a leaf host function cannot have buffers
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(int32_t, int32_t) noexcept { return 1; }
#else
static int32_t host(lucet::bytes) noexcept { return 1; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define_leaf<&host>("env", "f"); }
