// A guest's memory holds no objects.
// expect: trivially copyable, and not bool
#include <lucet.hpp>
#include <string>
#ifdef RIGHT
using element = double;
#else
using element = std::string;
#endif
static void host(lucet::buffer<const element>) {}
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
