// The call is not const: a host function may end it.
// expect: take the call as lucet::call &
#include <lucet.hpp>
#ifdef RIGHT
static void host(lucet::call &) {}
#else
static void host(const lucet::call &) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
