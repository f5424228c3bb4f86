/* A struct in which the count comes first.
 * expect: a slice is a struct made by LUCET_SLICE */
#include "arguments_slice.c"
