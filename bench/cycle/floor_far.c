/* floor_far.c: calls of a C function through a pointer from another shared object than its own, as a guest's
 * code is. A library of its own, for the distance: to a processor that matters. */
#include "floor_far.h"

uint32_t floor_far(floor_function *function, uint32_t count) {
  uint32_t sum = 0;
  for (; count; count--)
    sum = function(0, sum, count);
  return sum;
}
