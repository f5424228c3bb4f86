// Content of a type that WebAssembly does not have.
// expect: not a WebAssembly type
#include <lucet.hpp>
#ifdef RIGHT
#define TYPE int32_t
#else
#define TYPE int16_t
#endif
void use(const lucet::value &value);
void use(const lucet::value &value) { (void)value.as<TYPE>(); }
