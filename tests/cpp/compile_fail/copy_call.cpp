// A call that outlives the host function.
// expect-gcc: use of deleted function
// expect-clang: deleted
#include <lucet.hpp>
#ifdef RIGHT
using kept = lucet::call &;
#else
using kept = lucet::call;
#endif
void keep(lucet::call &call);
void keep(lucet::call &call) {
  kept copy = call;
  (void)copy;
}
