/* A maximum that does not fit.
 * expect: LUCET_MAX is 1 to 4294967295 */
#include "arguments_max33.c"
