/* Elements that are larger than a check can say.
 * expect: elements and objects are of less than 64 KiB */
#include "arguments_large.c"
