// Two owners of one module.
// expect-gcc: use of deleted function
// expect-clang: deleted
#include <lucet.hpp>
#ifdef RIGHT
#define TAKE std::move
#else
#define TAKE
#endif
lucet::module again(lucet::module &module);
lucet::module again(lucet::module &module) { return TAKE(module); }
