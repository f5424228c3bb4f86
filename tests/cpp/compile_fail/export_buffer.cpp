// The host has no memory of the guest's to give.
// expect: not a parameter of a typed export
#include <lucet.hpp>
#ifdef RIGHT
#define TYPE int32_t(int32_t, int32_t)
#else
#define TYPE int32_t(lucet::bytes)
#endif
void look(const lucet::module &module);
void look(const lucet::module &module) { (void)module.func<TYPE>("f"); }
