// The view of a guest's memory that is not for writing.
// expect-gcc: read-only location
// expect-clang: const-qualified|not assignable
#include <lucet.hpp>
#ifdef RIGHT
using kind = lucet::mutable_bytes;
#else
using kind = lucet::bytes;
#endif
void write(kind data);
void write(kind data) { data[0] = 1; }
