/* lua_main.c: runs the Lua program on standard input, with the libraries that need no operating system. An
 * error that the program does not handle is printed and gives the exit status 1. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "read_all.h"

static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base},        {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
    {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},
};

static int traceback(lua_State *state) {
  luaL_traceback(state, state, lua_tostring(state, 1), 1);
  return 1;
}

int main(void) {
  size_t length;
  const char *text = read_all(&length);
  lua_State *state = luaL_newstate();
  if (!state) return 3;
  for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
    luaL_requiref(state, libraries[i].name, libraries[i].func, 1);
    lua_pop(state, 1);
  }
  lua_pushcfunction(state, traceback);
  int status = luaL_loadbuffer(state, text, length, "=stdin");
  if (status == LUA_OK) status = lua_pcall(state, 0, 0, 1);
  if (status != LUA_OK) printf("error: %s\n", lua_tostring(state, -1));
  lua_close(state);
  return status == LUA_OK ? 0 : 1;
}
