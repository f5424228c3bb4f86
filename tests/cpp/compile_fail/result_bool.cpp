// A result that WebAssembly does not have.
// expect: not a type for a host function's result
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host() { return 1; }
#else
static bool host() { return true; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
