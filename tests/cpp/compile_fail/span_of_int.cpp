// Whether a length counts bytes or numbers, nothing says.
// expect: not a type for a host function's parameter
// standards: c++20
#include <lucet.hpp>
#ifdef RIGHT
static void host(std::span<const uint8_t>) {}
#else
static void host(std::span<const int32_t>) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
