// An argument that WebAssembly does not have.
// expect: not a WebAssembly type: arguments are
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENT 1
#else
#define ARGUMENT true
#endif
void enter(lucet::instance &guest);
void enter(lucet::instance &guest) { (void)guest.run("f", ARGUMENT); }
