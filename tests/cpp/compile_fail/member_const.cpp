// A const object and a function that changes it.
// expect: the object is not of the member function's class
#include <lucet.hpp>
struct server { void log(int32_t) {} void peek(int32_t) const {} };
struct other {};
void define(lucet::linker &linker, server &object, const server &constant, other &stranger);
void define(lucet::linker &linker, server &object, const server &constant, other &stranger) {
  (void)constant, (void)object, (void)stranger;
#ifdef RIGHT
  linker.define<&server::peek>("env", "log", constant);
#else
  linker.define<&server::log>("env", "log", constant);
#endif
}
