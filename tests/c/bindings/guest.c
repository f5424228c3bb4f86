/* guest.c: a guest of kv.wit, in C without a library. Exports call the imports and answer what came of it. */
#include "kv_guest.h"

#define EXPORT(name) __attribute__((export_name(name)))
static uint8_t heap[65536];
static size_t used;
static int failing;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  void *made;
  (void)old;
  (void)old_size;
  if (failing == 1) __builtin_trap();
  if (failing == 2) return (void *)0xfffffff0;
  used = (used + align - 1) / align * align;
  made = heap + used;
  used += size;
  return made;
}

static bool same(const void *a, const char *b, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (((const char *)a)[i] != b[i]) return false;
  return true;
}

EXPORT("get") int64_t get(void) {
  static uint8_t value[8];
  const int64_t length = store_get("colour", 6, value, sizeof value);
  return same(value, "blue", 4) ? length : -100;
}
EXPORT("get_far") int64_t get_far(void) { return store_get("colour", 6, (uint8_t *)0x7f000000, 1); }
EXPORT("set") void set(int32_t how, int32_t may) {
  store_set("shape", 5, (const uint8_t *)"round", 5, (store_durability)how, (store_rights)may);
}
EXPORT("fetch") int32_t fetch(int32_t how) {
  lucet_guest_list value;
  store_why why = 0;
  failing = how == 3 ? 1 : how == 4 ? 2 : 0;
  if (!store_fetch(how == 1 ? "nothing" : "colour", how == 1 ? 7 : 6, &value, &why)) return -1 - why;
  return value.count == 4 && same(value.data, "blue", 4) ? 4 : -100;
}
EXPORT("name") int32_t name(int32_t number) {
  lucet_guest_text text;
  if (!store_name((uint8_t)number, &text)) return -1;
  return same(text.data, "number one", text.count) ? (int32_t)text.count : -100;
}
EXPORT("sum") double sum(void) {
  static const double numbers[] = {0.5, 1.5, 40};
  return store_sum(numbers, 3);
}
EXPORT("line") int64_t line(void) {
  static const store_point points[] = {{1, 10, STORE_DURABILITY_SYNCED}, {2, 20, STORE_DURABILITY_RELAXED}};
  const store_point last = {3, 30, STORE_DURABILITY_SYNCED};
  store_point sum;
  store_line(points, 2, &last, &sum);
  return sum.c == STORE_DURABILITY_SYNCED ? sum.x * 100 + sum.y : -1;
}
EXPORT("largest") int64_t largest(void) {
  store_item item;
  store_largest(&item);
  return same(item.key.data, "colour", item.key.count) ? (int64_t)item.size : -1;
}
EXPORT("ready") int32_t ready(void) { return store_ready(); }
EXPORT("letter") int32_t letter(int32_t c) {
  app_log(3, "letter", 6);
  return store_letter((uint32_t)c, -128);
}
EXPORT("cursors") int32_t cursors(int32_t limit, int32_t how) {
  store_cursor first = store_cursor_new((uint32_t)limit), second;
  uint32_t number, sum = 0;
  store_why why;
  while (store_cursor_next(first, &number)) sum += number;
  if (!store_try_cursor((uint32_t)limit, &second, &why)) return -1;
  switch (how) {
  case 1: /* a handle that is over */
    store_cursor_drop(first);
    return store_cursor_next(first, &number);
  case 2: /* handed over twice */
    store_finish(first);
    return (int32_t)store_finish(first);
  case 3: /* nobody's */
    first.handle ^= 1 << 20;
    store_cursor_drop(first);
    return 0;
  case 4: /* left to the host */
    return (int32_t)sum;
  default:
    store_cursor_drop(second);
    return (int32_t)(sum * 100 + store_finish(first));
  }
}
EXPORT("handle") void *handle(const char *request, size_t size) {
  static struct {
    const char *data;
    size_t size;
  } answer;
  answer.data = size ? request + 1 : request;
  answer.size = size ? size - 1 : 0;
  if (size && *request == '!') answer.data = "\xff", answer.size = 1; /* no text */
  return &answer;
}
static unsigned notes, posted;
EXPORT("cabi_post_handle") void post_handle(void *answer) {
  (void)answer;
  posted++;
}
EXPORT("middle") void *middle(const store_point *points, size_t count, int32_t x, int64_t y, int32_t c) {
  static struct {
    uint8_t tag __attribute__((aligned(8)));
    union {
      store_point point;
      uint8_t why;
    } payload __attribute__((aligned(8)));
  } answer;
  (void)c;
  answer.tag = count == 0;
  if (count == 0) {
    answer.payload.why = (uint8_t)x; /* 2 and more are none */
  } else {
    answer.payload.point.x = points[count / 2].x + x;
    answer.payload.point.y = points[count / 2].y + y;
    answer.payload.point.c = points[count / 2].c;
  }
  return &answer;
}
EXPORT("digits") void *digits(int32_t number) {
  static char text[12];
  static struct {
    int32_t some;
    const char *data;
    size_t size;
  } answer;
  size_t size = 0;
  answer.some = number != 0;
  for (uint32_t rest = (uint32_t)number; rest; rest /= 10) text[size++] = (char)('0' + rest % 10);
  answer.data = number == 7 ? (const char *)0xfffff000 : text;
  answer.size = number == 8 ? 0xffffffff : size;
  return number == 9 ? (void *)0xfffffffc : number == 6 ? (char *)&answer + 1 : (void *)&answer;
}
EXPORT("is-even") int32_t is_even(int64_t number) { return number == 99 ? 2 : number % 2 == 0; }
EXPORT("check") int32_t check(void) { return posted == 0; }
EXPORT("note") void note(const char *text, size_t size) { notes += size == 5 && same(text, "hello", 5); }
EXPORT("noted") int32_t noted(void) { return (int32_t)notes; }
EXPORT("plain-sum") double plain_sum(int32_t a, int64_t b, float c, double d) { return a + (double)b + (double)c + d; }
