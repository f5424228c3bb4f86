/* guest_generated.c: the guest of guest.c once more, with the C that wit-bindgen makes of kv.wit (generated/) in place of ours. */
#include "app.h"
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
static int failing;

/* In place of the generated one, which cannot be asked to fail. */
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  void *made;
  (void)old_size;
  if (failing == 1) __builtin_trap();
  if (failing == 2) return (void *)0xfffffff0;
  made = size ? realloc(old, size) : (void *)align;
  if (!made) __builtin_trap();
  return made;
}

/* Would pull in the object that describes a component. */
void __component_type_object_force_link_app(void) {}

static app_string_t text_of(const char *text) {
  app_string_t made;
  app_string_set(&made, text);
  return made;
}

EXPORT("get") int64_t get(void) {
  static uint8_t bytes[8];
  app_string_t key = text_of("colour");
  app_list_u8_t value = {bytes, sizeof bytes};
  const int64_t length = example_kv_store_get(&key, &value);
  return memcmp(bytes, "blue", 4) ? -100 : length;
}
EXPORT("get_far") int64_t get_far(void) {
  app_string_t key = text_of("colour");
  app_list_u8_t value = {(uint8_t *)0x7f000000, 1};
  return example_kv_store_get(&key, &value);
}
EXPORT("set") void set(int32_t how, int32_t may) {
  app_string_t key = text_of("shape");
  app_list_u8_t value = {(uint8_t *)"round", 5};
  example_kv_store_set(&key, &value, (example_kv_store_durability_t)how, (example_kv_store_rights_t)may);
}
EXPORT("fetch") int32_t fetch(int32_t how) {
  app_string_t key = text_of(how == 1 ? "nothing" : "colour");
  app_list_u8_t value;
  example_kv_store_why_t why = 0;
  failing = how == 3 ? 1 : how == 4 ? 2 : 0;
  if (!example_kv_store_fetch(&key, &value, &why)) return -1 - why;
  return value.len == 4 && !memcmp(value.ptr, "blue", 4) ? 4 : -100;
}
EXPORT("name") int32_t name(int32_t number) {
  app_string_t text;
  if (!example_kv_store_name((uint8_t)number, &text)) return -1;
  return memcmp(text.ptr, "number one", text.len) ? -100 : (int32_t)text.len;
}
EXPORT("sum") double sum(void) {
  static double numbers[] = {0.5, 1.5, 40};
  app_list_f64_t list = {numbers, 3};
  return example_kv_store_sum(&list);
}
EXPORT("line") int64_t line(void) {
  static example_kv_store_point_t points[] = {{1, 10, EXAMPLE_KV_STORE_DURABILITY_SYNCED},
                                              {2, 20, EXAMPLE_KV_STORE_DURABILITY_RELAXED}};
  example_kv_store_list_point_t list = {points, 2};
  example_kv_store_point_t last = {3, 30, EXAMPLE_KV_STORE_DURABILITY_SYNCED}, sum;
  example_kv_store_line(&list, &last, &sum);
  return sum.c == EXAMPLE_KV_STORE_DURABILITY_SYNCED ? sum.x * 100 + sum.y : -1;
}
EXPORT("largest") int64_t largest(void) {
  example_kv_store_item_t item;
  example_kv_store_largest(&item);
  return memcmp(item.key.ptr, "colour", item.key.len) ? -1 : (int64_t)item.size;
}
EXPORT("ready") int32_t ready(void) { return example_kv_store_ready(); }
EXPORT("letter") int32_t letter(int32_t c) {
  app_string_t text = text_of("letter");
  app_log(3, &text);
  return example_kv_store_letter((uint32_t)c, -128);
}
EXPORT("cursors") int32_t cursors(int32_t limit, int32_t how) {
  example_kv_store_own_cursor_t first = example_kv_store_constructor_cursor((uint32_t)limit), second;
  const example_kv_store_borrow_cursor_t way = example_kv_store_borrow_cursor(first);
  uint32_t number, sum = 0;
  example_kv_store_why_t why;
  while (example_kv_store_method_cursor_next(way, &number)) sum += number;
  if (!example_kv_store_try_cursor((uint32_t)limit, &second, &why)) return -1;
  switch (how) {
  case 1: /* a handle that is over */
    example_kv_store_cursor_drop_own(first);
    return example_kv_store_method_cursor_next(way, &number);
  case 2: /* handed over twice */
    example_kv_store_finish(first);
    return (int32_t)example_kv_store_finish(first);
  case 3: /* nobody's */
    first.__handle ^= 1 << 20;
    example_kv_store_cursor_drop_own(first);
    return 0;
  case 4: /* left to the host */
    return (int32_t)sum;
  default:
    example_kv_store_cursor_drop_own(second);
    return (int32_t)(sum * 100 + example_kv_store_finish(first));
  }
}

/* What the bindings have the guest export. */
static unsigned notes;
void exports_app_handle(app_string_t *request, app_string_t *ret) {
  if (request->len && *request->ptr == '!')
    app_string_dup(ret, "\xff"); /* no text */
  else
    app_string_dup_n(ret, (const char *)request->ptr + (request->len > 0), request->len - (request->len > 0));
  app_string_free(request);
}
bool exports_app_middle(app_list_point_t *points, app_point_t *last, app_point_t *ret, app_why_t *err) {
  const app_point_t *middle = &points->ptr[points->len / 2];
  *err = (app_why_t)last->x; /* 2 and more are none */
  if (!points->len) return false;
  ret->x = middle->x + last->x;
  ret->y = middle->y + last->y;
  ret->c = middle->c;
  app_list_point_free(points);
  return true;
}
bool exports_app_digits(uint32_t number, app_list_u8_t *ret) {
  ret->ptr = cabi_realloc(NULL, 0, 1, 12);
  ret->len = 0;
  for (uint32_t rest = number; rest; rest /= 10) ret->ptr[ret->len++] = (uint8_t)('0' + rest % 10);
  return number != 0;
}
bool exports_app_is_even(int64_t number) { return number % 2 == 0; }
bool exports_app_check(void) { return true; }
void exports_app_note(app_string_t *text) {
  notes += text->len == 5 && !memcmp(text->ptr, "hello", 5);
  app_string_free(text);
}
EXPORT("noted") int32_t noted(void) { return (int32_t)notes; }
EXPORT("plain-sum") double plain_sum(int32_t a, int64_t b, float c, double d) { return a + (double)b + (double)c + d; }
