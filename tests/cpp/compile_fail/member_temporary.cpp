// An object that is gone before the guest runs.
// expect-gcc: use of deleted function
// expect-clang: deleted member function
#include <lucet.hpp>
struct server { void log(int32_t) {} void peek(int32_t) const {} };
struct other {};
void define(lucet::linker &linker, server &object, const server &constant, other &stranger);
void define(lucet::linker &linker, server &object, const server &constant, other &stranger) {
  (void)constant, (void)object, (void)stranger;
#ifdef RIGHT
  linker.define<&server::log>("env", "log", object);
#else
  linker.define<&server::log>("env", "log", server());
#endif
}
