// Without exceptions a failure must be looked at.
// expect: ignoring return
#define LUCET_NO_EXCEPTIONS
#include <lucet.hpp>
static void host() {}
void define(lucet::linker &linker);
void define(lucet::linker &linker) {
#ifdef RIGHT
  if (!linker.define<&host>("env", "f")) return;
#else
  linker.define<&host>("env", "f");
#endif
}
