/* host.c: a host of kv.wit with what lucetc made of it, and the guest that guest.c became. C99 to C2x and C++11 to C++20.
 * A second argument "poison": with poisoned views. "honest": a guest that lays out its answers as a bindings generator does, so that
 * it cannot be asked for wrong ones. */
#include "kv_host.h"
#include "kv_calls.h"
#include "kv_checks.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned checks, failures, sets, released;
static char logged[64];

static void check(int good, const char *what) {
  checks++;
  if (!good) {
    failures++;
    printf("FAIL: %s\n", what);
  }
}
#define CHECK(condition) check(condition, #condition)

int64_t store_get(lucet_call *call, lucet_string key, lucet_bytes_out value) {
  (void)call;
  if (key.size != 6 || memcmp(key.data, "colour", 6)) return -1;
  memcpy(value.data, "blue", value.size < 4 ? value.size : 4);
  return 4;
}
void store_set(lucet_call *call, lucet_string key, lucet_bytes value, store_durability how, store_rights may) {
  (void)call;
  sets++;
  CHECK(key.size == 5 && value.size == 5 && !memcmp(value.data, "round", 5));
  CHECK(how == STORE_DURABILITY_SYNCED && may == (STORE_RIGHTS_READ | STORE_RIGHTS_WRITE));
}
static void release(void *data) {
  released++;
  free(data);
}
bool store_fetch(lucet_call *call, lucet_string key, lucet_given *ret, store_why *err) {
  void *memory;
  (void)call;
  *err = STORE_WHY_TOO_LARGE;
  if (key.size != 6) return false;
  memory = malloc(4);
  if (!memory) return false;
  memcpy(memory, "blue", 4);
  ret->data = memory;
  ret->count = 4;
  ret->release = release;
  return true;
}
bool store_name(lucet_call *call, uint8_t number, lucet_given *ret) {
  (void)call;
  ret->data = "number one";
  ret->count = 10;
  return number == 1;
}
double store_sum(lucet_call *call, lucet_f64s numbers) {
  double sum = 0;
  size_t i;
  (void)call;
  for (i = 0; i < numbers.count; i++)
    sum += numbers.data[i];
  return sum;
}
void store_line(lucet_call *call, store_point_list points, const store_point *last, store_point *ret) {
  size_t i;
  (void)call;
  *ret = *last;
  for (i = 0; i < points.count; i++) {
    ret->x += points.data[i].x;
    ret->y += points.data[i].y;
  }
}
void store_largest(lucet_call *call, store_item *ret) {
  (void)call;
  ret->key.data = "colour";
  ret->key.size = 6;
  ret->size = 1234;
}
bool store_ready(lucet_call *call) {
  (void)call;
  return true;
}
bool store_letter(lucet_call *call, uint32_t c, int8_t small) {
  (void)call;
  return c == 0x10ffff && small == -128;
}
void app_log(lucet_call *call, uint32_t level, lucet_string text) {
  (void)call;
  snprintf(logged, sizeof logged, "%" PRIu32 ": %.*s", level, (int)text.size, text.data);
}

struct store_cursor {
  uint32_t next, limit;
};
static int cursors;
store_cursor *store_cursor_new(lucet_call *call, uint32_t limit) {
  store_cursor *made = (store_cursor *)calloc(1, sizeof *made);
  (void)call;
  if (!made) return NULL;
  made->limit = limit;
  cursors++;
  return made;
}
void store_cursor_drop(store_cursor *cursor) {
  cursors--;
  free(cursor);
}
bool store_cursor_next(lucet_call *call, store_cursor *self, uint32_t *ret) {
  (void)call;
  if (self->next == self->limit) return false;
  *ret = self->next++;
  return true;
}
uint32_t store_finish(lucet_call *call, store_cursor *last) {
  const uint32_t next = last->next;
  (void)call;
  store_cursor_drop(last);
  return next;
}
bool store_try_cursor(lucet_call *call, uint32_t limit, store_cursor **ret, store_why *err) {
  *err = STORE_WHY_TOO_LARGE;
  if (limit > 10) return false;
  *ret = store_cursor_new(call, limit);
  return *ret != NULL;
}

static lucet_instance *guest;
static bool honest;

/* What an export returns as an integer; a trap is minus its number and 1000 less. */
static int64_t run(const char *name, int32_t first, int32_t second, size_t count) {
  lucet_value arguments[2];
  lucet_outcome outcome;
  arguments[0] = lucet_value_i32(first);
  arguments[1] = lucet_value_i32(second);
  if (lucet_instance_run(guest, name, arguments, count, &outcome)) {
    printf("%s: %s\n", name, lucet_last_error());
    return INT64_MIN;
  }
  if (outcome.kind == LUCET_TRAPPED) {
    if (lucet_instance_reset(guest)) return INT64_MIN;
    return -1000 - (int64_t)outcome.detail;
  }
  if (outcome.value_count == 0) return 0;
  if (outcome.values[0].type == LUCET_F64) return (int64_t)outcome.values[0].of.f64;
  return outcome.values[0].type == LUCET_I64 ? outcome.values[0].of.i64 : outcome.values[0].of.i32;
}

static lucet_string string_of(const char *text) {
  lucet_string made;
  made.data = text;
  made.size = strlen(text);
  return made;
}

/* Calls of exports through the header that was made of the guest. */
static void calls(const lucet_module *module) {
  static const store_point three[] = {{1, 1, STORE_DURABILITY_RELAXED}, {2, 20, STORE_DURABILITY_SYNCED}, {3, 3, 0}};
  kv_calls_exports exports;
  lucet_taken taken;
  store_point_list list;
  store_point last = {100, 1000, STORE_DURABILITY_RELAXED}, middle;
  store_why why;
  bool flag;
  double sum = 0;
  int32_t number = 0;
  CHECK(kv_calls_find(&exports, module));
  CHECK(kv_calls_app_handle(&exports, guest, string_of("?question"), &taken) == LUCET_RETURNED);
  CHECK(taken.count == 8 && !memcmp(taken.data, "question", 8));
  free(taken.data);
  CHECK(kv_calls_app_handle(&exports, guest, string_of(""), &taken) == LUCET_RETURNED && taken.count == 0 && !taken.data);
  CHECK(kv_calls_app_handle(&exports, guest, string_of("!"), &taken) == LUCET_NOT_RUN && !taken.data);
  CHECK(kv_calls_app_check(&exports, guest, &flag) == LUCET_RETURNED && flag); /* cabi_post_handle has been called */
  list.data = three;
  list.count = 3;
  CHECK(kv_calls_app_middle(&exports, guest, list, &last, &flag, &middle, &why) == LUCET_RETURNED && flag);
  CHECK(middle.x == 102 && middle.y == 1020 && middle.c == STORE_DURABILITY_SYNCED);
  list.count = 0;
  last.x = 1;
  CHECK(kv_calls_app_middle(&exports, guest, list, &last, &flag, &middle, &why) == LUCET_RETURNED && !flag);
  CHECK(why == STORE_WHY_TOO_LARGE);
  last.x = 2; /* a case that does not exist */
  CHECK(kv_calls_app_middle(&exports, guest, list, &last, &flag, &middle, &why) == LUCET_NOT_RUN);
  CHECK(kv_calls_app_digits(&exports, guest, 123, &flag, &taken) == LUCET_RETURNED && flag);
  CHECK(taken.count == 3 && !memcmp(taken.data, "321", 3));
  free(taken.data);
  CHECK(kv_calls_app_digits(&exports, guest, 0, &flag, &taken) == LUCET_RETURNED && !flag);
  for (number = 6; number <= 9 && !honest; number++) /* addresses and sizes that the guest does not have */
    CHECK(kv_calls_app_digits(&exports, guest, (uint32_t)number, &flag, &taken) == LUCET_NOT_RUN);
  CHECK(kv_calls_app_is_even(&exports, guest, 4, &flag) == LUCET_RETURNED && flag);
  if (!honest) CHECK(kv_calls_app_is_even(&exports, guest, 99, &flag) == LUCET_NOT_RUN); /* 2 is no bool */
  CHECK(kv_calls_app_note(&exports, guest, string_of("hello")) == LUCET_RETURNED);
  CHECK(kv_calls_noted(&exports, guest, &number) == LUCET_RETURNED && number == 1);
  CHECK(kv_calls_plain_sum(&exports, guest, 1, 2, 3.5f, 4, &sum) == LUCET_RETURNED && sum > 10.4 && sum < 10.6);
  CHECK(kv_calls_fetch(&exports, guest, 3, &number) == LUCET_TRAPPED);
  CHECK(kv_calls_noted(&exports, guest, &number) == LUCET_NOT_RUN); /* it needs a reset */
  if (lucet_instance_reset(guest)) failures++;
  /* A guest whose allocator fails. */
  CHECK(kv_calls_fetch(&exports, guest, 4, &number) == LUCET_TRAPPED && !lucet_instance_keep(guest));
  CHECK(kv_calls_app_note(&exports, guest, string_of("hello")) == LUCET_NOT_RUN);
  if (lucet_instance_reset(guest)) failures++;
}

/* The checks as C say what happens. */
static void checks_as_c(void) {
  static const uint32_t letters[] = {0, 65, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0x10ffff, 0x110000, 0x7fffffff, 0xffffffff};
  const lucet_memory memory = lucet_instance_memory(guest, 0);
  size_t i;
  for (i = 0; i < sizeof letters / sizeof letters[0]; i++)
    CHECK(check_store_letter(memory, letters[i], (uint32_t)-128) == (run("letter", (int32_t)letters[i], 0, 1) >= 0));
  CHECK(check_store_letter(memory, 65, (uint32_t)-129) == false && check_store_letter(memory, 65, 127));
  CHECK(check_store_get(memory, 0, 256, 256, 9) && !check_store_get(memory, 0, 257, 300, 9));
  CHECK(!check_store_get(memory, 0, 9, 8, 9) && check_store_get(memory, 0, 9, 8, 0) && !check_store_get(memory, 0, 1, 0x7f000000, 1));
  CHECK(check_store_sum(memory, 8, 3) && !check_store_sum(memory, 4, 3) && !check_store_sum(memory, 0, 0x20000000));
}

int main(int argc, char **argv) {
  lucet_linker *linker;
  lucet_module *module;
  lucet_region *region;
  const char *how = argc == 3 ? argv[2] : "";
  honest = !strcmp(how, "honest");
  if (argc < 2 || lucet_linker_new(&linker) || kv_define(linker, NULL) ||
      (!strcmp(how, "poison") && lucet_linker_poison_views(linker)) || lucet_signals_install(0) ||
      lucet_module_load_file(argv[1], linker, NULL, &module) || lucet_region_new(NULL, &region) ||
      lucet_instance_new(region, module, NULL, NULL, &guest)) {
    printf("%s\n", lucet_last_error());
    return 1;
  }
  CHECK(kv_define(linker, NULL) == LUCET_BAD_ARGUMENT); /* names are taken */
  CHECK(run("get", 0, 0, 0) == 4);
  CHECK(run("get_far", 0, 0, 0) == -2);
  CHECK(run("set", 1, 3, 2) == 0 && sets == 1);
  CHECK(run("fetch", 0, 0, 1) == 4 && released == 1);
  CHECK(run("fetch", 1, 0, 1) == -2);
  CHECK(run("fetch", 3, 0, 1) == -1000 - LUCET_TRAP_UNREACHABLE && released == 2); /* its allocator traps */
  CHECK(run("fetch", 4, 0, 1) == -1000 - LUCET_TRAP_HOST_ARGUMENT);              /* its allocator lies */
  CHECK(run("name", 1, 0, 1) == 10);
  CHECK(run("name", 2, 0, 1) == -1);
  CHECK(run("sum", 0, 0, 0) == 42);
  CHECK(run("line", 0, 0, 0) == 660);
  CHECK(run("largest", 0, 0, 0) == 1234);
  CHECK(run("ready", 0, 0, 0) == 1);
  CHECK(run("letter", 0x10ffff, 0, 1) == 1 && !strcmp(logged, "3: letter"));
  CHECK(run("letter", 0x110000, 0, 1) == -1000 - LUCET_TRAP_HOST_ARGUMENT);
  CHECK(run("letter", 0xd800, 0, 1) == -1000 - LUCET_TRAP_HOST_ARGUMENT);
  CHECK(run("cursors", 4, 0, 2) == 604 && cursors == 0);
  CHECK(run("cursors", 11, 0, 2) == -1 && cursors == 1);
  if (lucet_instance_reset(guest)) failures++;
  CHECK(cursors == 0);
  CHECK(run("cursors", 4, 1, 2) == -1000 - LUCET_TRAP_HOST_ARGUMENT && cursors == 0);
  CHECK(run("cursors", 4, 2, 2) == -1000 - LUCET_TRAP_HOST_ARGUMENT && cursors == 0);
  CHECK(run("cursors", 4, 3, 2) == -1000 - LUCET_TRAP_HOST_ARGUMENT && cursors == 0);
  CHECK(run("cursors", 4, 4, 2) == 6 && cursors == 2);
  sets = 0;
  CHECK(run("set", 2, 3, 2) == -1000 - LUCET_TRAP_HOST_ARGUMENT);
  CHECK(run("set", 1, 4, 2) == -1000 - LUCET_TRAP_HOST_ARGUMENT && sets == 0);
  CHECK(run("cursors", 4, 4, 2) == 6 && cursors == 2);
  calls(module);
  checks_as_c();
  if (lucet_instance_release(guest)) failures++;
  CHECK(cursors == 0);
  lucet_region_release(region);
  lucet_module_release(module);
  lucet_linker_release(linker);
  printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks;
}
