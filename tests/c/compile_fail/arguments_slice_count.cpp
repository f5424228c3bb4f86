/* A struct whose count is no size_t.
 * expect: a slice is a struct made by LUCET_SLICE */
#include "arguments_slice_count.c"
