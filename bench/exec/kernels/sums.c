/* sums.c: adds up rows of bytes, words and products, and finds the largest: reads much memory and keeps little. */
#include "kernel.h"

enum { COUNT = 1 << 15 };
static uint8_t bytes[COUNT];
static uint32_t words[COUNT], others[COUNT];

static uint32_t sum_of_bytes(void) {
  uint32_t sum = 0;
  for (int i = 0; i < COUNT; i++)
    sum += bytes[i];
  return sum;
}
static uint64_t sum_of_words(void) {
  uint64_t sum = 0;
  for (int i = 0; i < COUNT; i++)
    sum += words[i];
  return sum;
}
static uint32_t sum_of_products(void) {
  uint32_t sum = 0;
  for (int i = 0; i < COUNT; i++)
    sum += words[i] * others[i];
  return sum;
}
static uint32_t largest(void) {
  uint32_t most = 0;
  for (int i = 0; i < COUNT; i++)
    most = words[i] > most ? words[i] : most;
  return most;
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 5, sum = 0;
  for (int i = 0; i < COUNT; i++) {
    words[i] = next_random(&state) >> 4;
    others[i] = next_random(&state);
    bytes[i] = (uint8_t)words[i];
  }
  for (uint32_t round = 0; round < rounds; round++) {
    uint64_t words_sum = sum_of_words();
    sum = mix(sum, sum_of_bytes() ^ (uint32_t)words_sum ^ (uint32_t)(words_sum >> 32));
    sum = mix(sum, sum_of_products() ^ largest());
    words[round % COUNT] += sum;
  }
  return sum;
}
