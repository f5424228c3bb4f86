// An argument of no type in particular.
// expect: not a WebAssembly type: arguments are
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENT 1
#else
#define ARGUMENT char{1}
#endif
void enter(lucet::instance &guest);
void enter(lucet::instance &guest) { (void)guest.run("f", ARGUMENT); }
