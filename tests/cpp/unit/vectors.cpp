// The macros of lucet/typed.h with vectors, as C++: the same program as in C.
#include "../../c/unit/vectors.c"
