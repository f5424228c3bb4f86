/* asan_proof.c: reads one byte behind an allocation. run.sh expects AddressSanitizer to stop it: a build in
 * which it goes through proves nothing about the others. */
#include "harness.h"

int main(void) {
  volatile size_t behind = 10;
  char *volatile bytes = malloc(10); /* volatile: not even the compiler knows how long it is */
  char got;
  if (!bytes || lucet_version() == 0) return 2;
  memset(bytes, 1, 10);
  got = bytes[behind];
  free(bytes);
  printf("not caught: %d\n", got);
  return 0;
}
