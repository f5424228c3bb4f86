/* setjmp.h: stands in for the C library's, which refuses to be included; nothing of it is used, see
 * lua_try.h. */
