// Two owners of one instance.
// expect-gcc: use of deleted function
// expect-clang: deleted
#include <lucet.hpp>
#ifdef RIGHT
#define TAKE std::move
#else
#define TAKE
#endif
lucet::instance again(lucet::instance &guest);
lucet::instance again(lucet::instance &guest) { return TAKE(guest); }
