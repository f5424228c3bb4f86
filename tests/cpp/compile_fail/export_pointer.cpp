// A function pointer's type is not a signature.
// expect-gcc: incomplete type
// expect-clang: undefined template
#include <lucet.hpp>
#ifdef RIGHT
#define TYPE int32_t(int32_t)
#else
#define TYPE int32_t (*)(int32_t)
#endif
void look(const lucet::module &module);
void look(const lucet::module &module) { (void)module.func<TYPE>("f"); }
