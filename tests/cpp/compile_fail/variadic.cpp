// A function of C with any number of arguments.
// expect: expected a function, a member function, or an object with one
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(int32_t first) { return first; }
#else
static int32_t host(int32_t first, ...) { return first; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
