// A value of a type that WebAssembly does not have.
// expect-gcc: no matching function for call
// expect-clang: no matching conversion
#include <lucet.hpp>
#ifdef RIGHT
#define CONTENT 1
#else
#define CONTENT true
#endif
lucet::value make();
lucet::value make() { return lucet::value(CONTENT); }
