// A string would be a copy that nobody asked for.
// expect: not a type for a host function's parameter
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(std::string_view text) { return text.empty(); }
#else
static int32_t host(std::string text) { return text.empty(); }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
