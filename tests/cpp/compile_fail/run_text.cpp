// An argument that the guest could not read.
// expect: not a WebAssembly type: arguments are
#include <lucet.hpp>
#ifdef RIGHT
#define ARGUMENT 1
#else
#define ARGUMENT "text"
#endif
void enter(lucet::instance &guest);
void enter(lucet::instance &guest) { (void)guest.run("f", ARGUMENT); }
