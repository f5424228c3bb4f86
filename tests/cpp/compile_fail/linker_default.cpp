// A linker that was not made.
// expect-gcc: no matching function for call
// expect-clang: no matching constructor
#include <lucet.hpp>
#ifdef RIGHT
#define MAKE = lucet::linker::make()
#else
#define MAKE
#endif
void define();
void define() {
  lucet::linker linker MAKE;
  (void)linker;
}
