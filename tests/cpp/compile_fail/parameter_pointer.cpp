// A guest's address is not a pointer of the host's.
// expect: not a type for a host function's parameter
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(std::string_view text) { return text.empty(); }
#else
static int32_t host(const char *text) { return *text; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
