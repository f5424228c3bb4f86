// One of several results is no value.
// expect: the tuple holds something that is no WebAssembly type
#include <lucet.hpp>
#ifdef RIGHT
static std::tuple<int32_t, int64_t> host() { return {1, 2}; }
#else
static std::tuple<int32_t, bool> host() { return {1, true}; }
#endif
void define(lucet::linker &linker);
void define(lucet::linker &linker) { linker.define<&host>("env", "f"); }
