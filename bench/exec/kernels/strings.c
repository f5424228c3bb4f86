/* strings.c: byte-wise work on C strings: length, comparison, search, folding of case, splitting. */
#include "kernel.h"

enum { WORDS = 4000, ROOM = WORDS * 24 };
static char text[ROOM];
static const char *words[WORDS];

static size_t length_of(const char *s) {
  const char *end = s;
  while (*end)
    end++;
  return (size_t)(end - s);
}
static int compare(const char *a, const char *b) {
  while (*a && *a == *b)
    a++, b++;
  return (uint8_t)*a - (uint8_t)*b;
}
static const char *find_byte(const char *s, char byte) {
  for (; *s; s++)
    if (*s == byte) return s;
  return NULL;
}
static const char *find(const char *s, const char *part) {
  for (; *s; s++) {
    size_t i = 0;
    while (part[i] && s[i] == part[i])
      i++;
    if (!part[i]) return s;
  }
  return NULL;
}
static uint32_t fold(char *s) {
  uint32_t changed = 0;
  for (; *s; s++)
    if (*s >= 'a' && *s <= 'z')
      *s = (char)(*s - 32), changed++;
    else if (*s >= 'A' && *s <= 'Z')
      *s = (char)(*s + 32), changed++;
  return changed;
}

static void write_words(void) {
  uint32_t state = 37;
  char *at = text;
  for (int i = 0; i < WORDS; i++) {
    words[i] = at;
    for (uint32_t length = 3 + next_random(&state) % 18; length; length--)
      *at++ = (char)('a' + next_random(&state) % 6);
    *at++ = 0;
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  write_words();
  for (; rounds; rounds--) {
    for (int i = 1; i < WORDS; i++) {
      sum = mix(sum, (uint32_t)length_of(words[i]));
      sum += compare(words[i], words[i - 1]) < 0;
      sum += find_byte(words[i], 'c') != NULL;
      sum += find(words[i], "abc") != NULL;
    }
    for (int i = 0; i < WORDS; i++) {
      char *word = text + (words[i] - text);
      sum += fold(word) + fold(word);
    }
  }
  return sum;
}
