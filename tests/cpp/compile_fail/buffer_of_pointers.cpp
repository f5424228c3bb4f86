// A guest has no pointers of the host's.
// expect: elements of a guest's memory are no pointers
#include <lucet.hpp>
#ifdef RIGHT
using element = double;
#else
using element = const char *;
#endif
static void host(lucet::buffer<const element>) {}
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
