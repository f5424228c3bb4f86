// Something that is no function.
// expect: expected a function, a member function, or an object with one
#include <lucet.hpp>
#ifdef RIGHT
static int32_t host() { return 1; }
#else
static int32_t host = 1;
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define("env", "f", host); }
