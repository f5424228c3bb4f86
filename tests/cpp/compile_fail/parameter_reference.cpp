// Values come by value.
// expect: not a type for a host function's parameter
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host(int32_t value) { return value; }
#else
static int32_t host(const int32_t &value) { return value; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
