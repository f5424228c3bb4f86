/* indirect.c: objects with tables of methods: an indirect call for every element, of eight kinds in no order.
 */
#include "kernel.h"

struct shape;
struct methods {
  uint32_t (*area)(const struct shape *self);
  void (*grow)(struct shape *self, uint32_t by);
};
struct shape {
  const struct methods *methods;
  uint32_t a, b;
};

static uint32_t area_0(const struct shape *s) { return s->a * s->a; }
static uint32_t area_1(const struct shape *s) { return s->a * s->b; }
static uint32_t area_2(const struct shape *s) { return s->a * s->b / 2; }
static uint32_t area_3(const struct shape *s) { return 3 * s->a * s->a; }
static uint32_t area_4(const struct shape *s) { return (s->a + s->b) * 5; }
static uint32_t area_5(const struct shape *s) { return s->a ^ s->b; }
static uint32_t area_6(const struct shape *s) { return s->a << (s->b & 7); }
static uint32_t area_7(const struct shape *s) { return s->b - s->a; }
static void grow_both(struct shape *s, uint32_t by) { s->a += by, s->b += by; }
static void grow_one(struct shape *s, uint32_t by) { s->a += 2 * by; }
static void grow_none(struct shape *s, uint32_t by) { s->b ^= by; }

static const struct methods kinds[8] = {{area_0, grow_both}, {area_1, grow_both}, {area_2, grow_one},
                                        {area_3, grow_one},  {area_4, grow_none}, {area_5, grow_none},
                                        {area_6, grow_both}, {area_7, grow_one}};
enum { SHAPES = 2048 };
static struct shape shapes[SHAPES];

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t state = 23, sum = 0;
  for (int i = 0; i < SHAPES; i++)
    shapes[i] = (struct shape){&kinds[next_random(&state) & 7], next_random(&state) & 1023,
                               next_random(&state) & 1023};
  for (rounds *= 100; rounds; rounds--)
    for (int i = 0; i < SHAPES; i++) {
      sum = mix(sum, shapes[i].methods->area(&shapes[i]));
      shapes[i].methods->grow(&shapes[i], sum & 3);
    }
  return sum;
}
