/* floor_far.h: see floor_far.c. */
#ifndef FLOOR_FAR_H
#define FLOOR_FAR_H
#include <stdint.h>

typedef uint32_t floor_function(void *context, uint32_t left, uint32_t right);

/* function(context, sum, number) for each number from count down to 1; the last sum. */
uint32_t floor_far(floor_function *function, uint32_t count);
#endif
