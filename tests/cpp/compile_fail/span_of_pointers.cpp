// A guest has no pointers of the host's, to members neither.
// expect: elements of a guest's memory are no pointers
// standards: c++20
#include <lucet.hpp>
struct thing {
  int field;
};
#ifdef RIGHT
static void host(std::span<const thing>) {}
#else
static void host(std::span<int thing::*const>) {}
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
