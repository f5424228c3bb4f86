/* Elements that are pointers: a guest would choose them.
 * expect: elements and objects are no pointers */
#include "arguments_pointers.c"
