/* host.c: a host of kv.wit with what lucetc made of it, and the guest that guest.c became. C99 to C2x and C++11 to C++20. */
#include "kv_host.h"
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

int main(int argc, char **argv) {
  lucet_linker *linker;
  lucet_module *module;
  lucet_region *region;
  if (argc != 2 || lucet_linker_new(&linker) || kv_define(linker, NULL) || lucet_signals_install(0) ||
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
  if (lucet_instance_release(guest)) failures++;
  CHECK(cursors == 0);
  lucet_region_release(region);
  lucet_module_release(module);
  lucet_linker_release(linker);
  printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks;
}
