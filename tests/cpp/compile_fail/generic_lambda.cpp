// A lambda without one type.
// expect: expected a function, a member function, or an object with one
#include <lucet.hpp>
#ifdef RIGHT
static auto host = [](int32_t value) { return value; };
#else
static auto host = [](auto value) { return value; };
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define("env", "f", host); }
