/* An alignment that a check cannot say.
 * expect: LUCET_ALIGN is a power of two up to 128 */
#include "arguments_align256.c"
