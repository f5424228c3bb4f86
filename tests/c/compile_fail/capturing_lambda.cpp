/* A lambda with captures has no function pointer: lucet_linker_define_dynamic carries its data.
 * expect-gcc: cannot convert
 * expect-clang: no viable conversion */
#include <lucet.h>
lucet_status define(lucet_linker *linker, int32_t offset);
lucet_status define(lucet_linker *linker, int32_t offset) {
#ifdef RIGHT
  auto host = [](lucet_call *, int32_t value) -> int32_t { return value + 1; };
  static_cast<void>(offset);
#else
  auto host = [offset](lucet_call *, int32_t value) -> int32_t { return value + offset; };
#endif
  return LUCET_DEFINE(linker, "env", nullptr, LUCET_HOST("f", host, int32_t, int32_t));
}
