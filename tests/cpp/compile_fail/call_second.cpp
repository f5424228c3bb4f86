// The call comes first.
// expect: lucet::call & can only be the first parameter
#include <lucet.hpp>
#ifdef RIGHT
static void host(lucet::call &, int32_t) {}
#else
static void host(int32_t, lucet::call &) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
