/* matrix.c: product of two matrices of doubles in the order that compilers can vectorise. */
#include "kernel.h"

enum { N = 160 };
static double left[N][N], right[N][N], product[N][N];

static void multiply(void) {
  for (int i = 0; i < N; i++) {
    for (int j = 0; j < N; j++)
      product[i][j] = 0;
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++)
        product[i][j] += left[i][k] * right[k][j];
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 1, sum = 0;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      left[i][j] = (double)(next_random(&state) & 255) / 16;
      right[i][j] = (double)(next_random(&state) & 255) / 16;
    }
  while (rounds--) {
    multiply();
    double trace = 0;
    for (int i = 0; i < N; i++)
      trace += product[i][i];
    sum = mix(sum, (uint32_t)(int64_t)trace);
    left[0][0] += 1;
  }
  return sum;
}
