/* lua_try.h: Lua's errors without setjmp, which this libc does not have. Included before ldo.c, in the guest
 * only.
 *
 * The host calls back into the guest for the protected part, ends that callback when the guest throws, and
 * lets the outer guest go on. Nothing unwinds the C stack in linear memory, so its pointer is put back here.
 */
#ifndef PROGRAMS_LUA_TRY_H
#define PROGRAMS_LUA_TRY_H

struct lua_State;
typedef void (*programs_protected)(struct lua_State *state, void *data);
void programs_try(programs_protected function, struct lua_State *state, void *data);
_Noreturn void programs_throw(void);

/* `f` and `ud` are the names in luaD_rawrunprotected, where alone this is used. */
#define LUAI_TRY(L, c, a) programs_try(f, L, ud)
#define LUAI_THROW(L, c) programs_throw()
#define luai_jmpbuf int

#endif
