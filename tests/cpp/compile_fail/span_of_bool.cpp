// A byte of the guest's may be any, a bool may not.
// expect: trivially copyable, and not bool
// standards: c++20
#include <lucet.hpp>
#ifdef RIGHT
static void host(std::span<const int32_t>) {}
#else
static void host(std::span<const bool>) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
