/* wasi_hello: an ordinary C program, from stock clang and wasi-libc. What it prints becomes the response. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  double *squares = malloc(10 * sizeof *squares);
  double sum = 0;
  if (!squares) return 1;
  for (int i = 0; i < 10; i++)
    squares[i] = (double)i * i;
  for (int i = 0; i < 10; i++)
    sum += squares[i];
  printf("hello from main(): the mean of ten squares is %.1f\n", sum / 10);
  free(squares);
  return 0;
}
