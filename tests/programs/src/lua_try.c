/* lua_try.c: see lua_try.h. The other half is in host.c. */
#include "lua_try.h"

__attribute__((import_module("protect"), import_name("try"))) void
host_try(programs_protected function, struct lua_State *state, void *data);
__attribute__((import_module("protect"), import_name("throw"))) void host_throw(void);

__asm__(".globaltype __stack_pointer, i32\n");

__attribute__((export_name("protected_call"))) void protected_call(programs_protected function,
                                                                   struct lua_State *state, void *data) {
  function(state, data);
}

void programs_try(programs_protected function, struct lua_State *state, void *data) {
  char *stack;
  __asm__ volatile("global.get __stack_pointer\n\tlocal.set %0" : "=r"(stack));
  host_try(function, state, data);
  __asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" : : "r"(stack));
}

void programs_throw(void) {
  host_throw();
  __builtin_unreachable(); /* the host does not return here */
}
