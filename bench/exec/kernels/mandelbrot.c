/* mandelbrot.c: floating point with a data-dependent exit from the inner loop. */
#include "kernel.h"

enum { SIDE = 160, DEPTH = 200 };

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--)
    for (int row = 0; row < SIDE; row++)
      for (int column = 0; column < SIDE; column++) {
        double cx = column * 3.0 / SIDE - 2.25, cy = row * 2.5 / SIDE - 1.25, x = 0, y = 0;
        uint32_t depth = 0;
        for (; depth < DEPTH && x * x + y * y < 4; depth++) {
          double next = x * x - y * y + cx;
          y = 2 * x * y + cy;
          x = next;
        }
        sum = mix(sum, depth);
      }
  return sum;
}
