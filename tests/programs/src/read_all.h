/* read_all.h: the whole of standard input, with a NUL behind it. For programs that end when there is no
 * memory. What is read is never freed: the programs end soon after. */
#ifndef PROGRAMS_READ_ALL_H
#define PROGRAMS_READ_ALL_H

#include <stdio.h>
#include <stdlib.h>

static inline char *read_all(size_t *length) {
  size_t size = 0, capacity = 1 << 16;
  char *text = malloc(capacity);
  while (text) {
    size_t got = fread(text + size, 1, capacity - size - 1, stdin);
    if (got == 0) break;
    size += got;
    if (capacity - size < 2) {
      capacity *= 2;
      text = realloc(text, capacity);
    }
  }
  if (!text) {
    fputs("no memory for the input\n", stderr);
    exit(3);
  }
  text[size] = 0;
  *length = size;
  return text;
}

#endif
