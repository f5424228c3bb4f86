/* A maximum of no elements.
 * expect: LUCET_MAX is 1 to 4294967295 */
#include "arguments_max0.c"
