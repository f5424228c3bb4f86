/* sort.c: quicksort with insertion sort for short ranges, then heapsort, over 32-bit numbers: branches that
 * cannot be predicted, and loads that depend on them. */
#include "kernel.h"

enum { COUNT = 100000 };
static uint32_t values[COUNT];

static void fill(void) {
  uint32_t state = 17;
  for (int i = 0; i < COUNT; i++)
    values[i] = next_random(&state);
}

static void insertion(uint32_t *at, int32_t count) {
  for (int32_t i = 1; i < count; i++) {
    uint32_t moving = at[i];
    int32_t j = i;
    for (; j && at[j - 1] > moving; j--)
      at[j] = at[j - 1];
    at[j] = moving;
  }
}

static void quick(uint32_t *at, int32_t count) {
  while (count > 16) {
    uint32_t a = at[0], b = at[count / 2], c = at[count - 1];
    uint32_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
    int32_t i = 0, j = count - 1;
    while (i <= j) {
      while (at[i] < pivot)
        i++;
      while (at[j] > pivot)
        j--;
      if (i > j) break;
      uint32_t kept = at[i];
      at[i++] = at[j];
      at[j--] = kept;
    }
    quick(at, j + 1);
    at += i;
    count -= i;
  }
  insertion(at, count);
}

static void sink(uint32_t *at, int32_t from, int32_t count) {
  uint32_t moving = at[from];
  for (int32_t child; (child = 2 * from + 1) < count; from = child) {
    if (child + 1 < count && at[child + 1] > at[child]) child++;
    if (at[child] <= moving) break;
    at[from] = at[child];
  }
  at[from] = moving;
}

static void heap(uint32_t *at, int32_t count) {
  for (int32_t i = count / 2; i--;)
    sink(at, i, count);
  while (--count > 0) {
    uint32_t kept = at[0];
    at[0] = at[count];
    at[count] = kept;
    sink(at, 0, count);
  }
}

static uint32_t check(uint32_t sum) {
  for (int i = 1; i < COUNT; i++)
    if (values[i - 1] > values[i]) return 0;
  return mix(sum, values[COUNT / 3]);
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--) {
    fill();
    quick(values, COUNT);
    sum = check(sum);
    fill();
    heap(values, COUNT / 2);
    sum = mix(sum, values[COUNT / 4]);
  }
  return sum;
}
