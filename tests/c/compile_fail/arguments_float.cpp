/* A float with the check of an integer.
 * expect: a check is about an i32 */
#include "arguments_float.c"
