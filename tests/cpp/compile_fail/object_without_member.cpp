// An object for a function that is no member.
// expect: an object is given, but the function is not a member
#include <lucet.hpp>
#ifdef RIGHT
static int object;
#define OBJECT
#else
static int object;
#define OBJECT , object
#endif
static void host() {}
void define(lucet::linker &linker);
void define(lucet::linker &linker) {
  (void)object;
  linker.define<&host>("env", "f" OBJECT);
}
