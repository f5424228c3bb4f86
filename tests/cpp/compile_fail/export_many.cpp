// More parameters than a typed export can have.
// expect: at most 12 parameters: use instance::run
#include <lucet.hpp>
#ifdef RIGHT
#define TYPE void(int, int, int, int, int, int, int, int, int, int, int, int)
#else
#define TYPE void(int, int, int, int, int, int, int, int, int, int, int, int, int)
#endif
void look(const lucet::module &module);
void look(const lucet::module &module) { (void)module.func<TYPE>("f"); }
