// A class of the host's, in a lambda.
// expect: not a type for a host function's parameter
#include <lucet.hpp>
#ifdef RIGHT
static auto host = [](int32_t value) { return value; };
#else
struct own { int32_t value; };
static auto host = [](own object) { return object.value; };
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define("env", "f", host); }
