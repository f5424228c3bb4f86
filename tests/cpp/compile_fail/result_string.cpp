// A result that would have to lie in the guest's memory.
// expect: not a type for a host function's result
#include <lucet.hpp>
#ifdef RIGHT
static auto host = [] { return 0; };
#else
static auto host = [] { return std::string_view(); };
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define("env", "f", host); }
