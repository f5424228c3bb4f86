// A lambda that changes itself, under several threads.
// expect: a host function must not be mutable
#include <lucet.hpp>
#ifdef RIGHT
static auto host = [n = 0]() { return n; };
#else
static auto host = [n = 0]() mutable { return n++; };
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define("env", "f", host); }
