/* wasi_count: counts lines, words and bytes of the request's body like wc, through stdio. A body that starts
 * with "!" makes it complain on standard error and exit with 3. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  unsigned long lines = 0, words = 0, bytes = 0;
  int in_word = 0, c;
  while ((c = getchar()) != EOF) {
    if (bytes++ == 0 && c == '!') {
      fprintf(stderr, "wasi_count: I do not count this\n");
      exit(3);
    }
    if (c == '\n') lines++;
    if (!isspace(c) && !in_word) words++;
    in_word = !isspace(c);
  }
  printf("%lu lines, %lu words, %lu bytes\n", lines, words, bytes);
  return 0;
}
