/* An object that is larger than a check can say.
 * expect: elements and objects are of less than 64 KiB */
#include "arguments_large_object.c"
