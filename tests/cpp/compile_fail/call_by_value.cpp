// The call cannot be copied and kept.
// expect: take the call as lucet::call &
#include <lucet.hpp>
#ifdef RIGHT
static void host(lucet::call &) {}
#else
static void host(lucet::call) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
