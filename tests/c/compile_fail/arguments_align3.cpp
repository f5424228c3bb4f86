/* An alignment that is none.
 * expect: LUCET_ALIGN is a power of two up to 128 */
#include "arguments_align3.c"
