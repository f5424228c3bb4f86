/* host.c: a host of clash.wit, where every name is one that generated code might want. C99 to C2x and C++17. */
#include "clash_host.h"
#include "clash_calls.h"
#include "clash_checks.h"
#include <stdio.h>

static unsigned checks, failures, drops;
static void check(int good, const char *what) {
  checks++;
  if (good) return;
  failures++;
  printf("FAIL: %s\n", what);
}
#define CHECK(condition) check(condition, #condition)

#define NOTHING(name)                                                                                        \
  void name(lucet_call *call) { (void)call; }
NOTHING(clash_define)
NOTHING(glue_s_get)
NOTHING(area_s_why)
NOTHING(check_s_get)
NOTHING(import_s_get)
NOTHING(import_s_file_drop)
NOTHING(drop_s_file)
NOTHING(release_s_file)
NOTHING(static_assert_)
NOTHING(static_cast_)
NOTHING(int8_t_)
NOTHING(aligned_alloc_)
void define_a0(lucet_call *call, uint32_t a) {
  (void)call;
  (void)a;
}
void w_root(lucet_call *call, w_kind kind) {
  (void)call;
  CHECK(kind == W_KIND_OTHER);
}
int_least8 int_f(lucet_call *call) {
  (void)call;
  return INT_LEAST8_MAX_;
}
wit_lucet_first wit_lucet_call(lucet_call *call, const wit_lucet_instance *instance, uint32_t more) {
  (void)call;
  return instance->x == more ? WIT_LUCET_FIRST_A : WIT_LUCET_FIRST_B;
}
wit_lucet_status wit_lucet_linker_new(lucet_call *call) {
  (void)call;
  return WIT_LUCET_STATUS_OK;
}

struct s_file {
  uint32_t number;
};
static s_file only;
void s_file_drop_(s_file *file) {
  drops += file == &only;
}
uint32_t s_file_drop(lucet_call *call, s_file *file) {
  (void)call;
  return file->number;
}
s_file *s_file_kind(lucet_call *call) {
  (void)call;
  return &only;
}
s_file *s_give(lucet_call *call, uint32_t made) {
  (void)call;
  only.number = made;
  return &only;
}
bool s_get(lucet_call *call, lucet_string key, uint32_t value, uint64_t *ret) {
  (void)call;
  *ret = key.size * 1000 + value;
  return value != 0;
}
bool s_why(lucet_call *call, uint32_t value, uint32_t error, uint32_t good, uint32_t ret_, uint32_t err_, lucet_bytes area,
           uint32_t call_, lucet_given *ret, uint32_t *err) {
  (void)call;
  ret->data = area.data;
  ret->count = area.size;
  *err = value + 10 * error + 100 * good + 1000 * ret_ + 10000 * err_ + 100000 * call_;
  return value == 0;
}
uint32_t s_take(lucet_call *call, s_file *f, uint32_t f_handle, uint32_t made) {
  (void)call;
  return 100 * f->number + 10 * f_handle + made;
}
void s_flat(lucet_call *call, const s_a_r *a, uint32_t a_x, lucet_bytes a_data, uint32_t a_data_count, s_one *ret) {
  (void)call;
  ret->only = (uint32_t)(a->x + 10 * a->x_count + 100 * a->data.size + 1000 * a_x + 10000 * a_data.size + 100000 * a_data_count);
}
void s_lists(lucet_call *call, s_point_list_ a, uint32_t a_count, s_point_list_list b, uint32_t memory, s_point_list_out *ret) {
  (void)call;
  ret->int_ = a.count + a_count + b.count + memory;
}
bool s_shadow(lucet_call *call, const s_point *s_point_, uint32_t s_file_, uint32_t s_shadow_, uint32_t import_s_shadow_,
              uint32_t glue_s_shadow_, uint32_t area_s_shadow_, uint32_t memset_, s_perms s_perms_, uint32_t clash_define_a,
              uint32_t check_s_shadow_, s_point *ret) {
  (void)call;
  *ret = *s_point_;
  ret->x += s_file_ + s_shadow_ + import_s_shadow_ + glue_s_shadow_ + area_s_shadow_ + memset_ + s_perms_ + clash_define_a +
            check_s_shadow_;
  return true;
}
void s_hold(lucet_call *call, const s_held *held, s_wrapped *ret) {
  (void)call;
  ret->one.only = held->s_held_->number + held->n;
}
void s_new_held(lucet_call *call, s_new_file *ret) {
  (void)call;
  ret->file = &only;
}
/* The answer is the argument itself, in memory of the guest's. */
void s_echo(lucet_call *call, lucet_string text, lucet_given *ret) {
  (void)call;
  ret->data = text.data;
  ret->count = text.size;
}

int main(int argc, char **argv) {
  lucet_linker *linker;
  lucet_module *module;
  lucet_region *region;
  lucet_instance *guest;
  lucet_outcome outcome;
  clash_calls_exports entries;
  lucet_taken taken;
  lucet_string text;
  lucet_u32s numbers;
  s_point point = {1, 2};
  s_one one;
  s_wrapped wrapped;
  uint32_t number = 0;
  int32_t answer = 0;
  w_kind kind = 0;
  bool flag = false;
  static const uint32_t two[] = {5, 6};
  text.data = "four";
  text.size = 4;
  numbers.data = two;
  numbers.count = 2;
  if (argc != 2 || lucet_linker_new(&linker) || clash_define_(linker, NULL) || lucet_signals_install(0) ||
      lucet_module_load_file(argv[1], linker, NULL, &module) || lucet_region_new(NULL, &region) ||
      lucet_instance_new(region, module, NULL, NULL, &guest)) {
    printf("%s\n", lucet_last_error());
    return 1;
  }
  CHECK(clash_calls_find(&entries, module));
  CHECK(clash_calls_w_call(&entries, guest, text, 1, 2, numbers, 3, 4, 5, &flag, &taken) == LUCET_RETURNED && flag);
  CHECK(taken.count == 4 && !memcmp(taken.data, "four", 4));
  free(taken.data);
  CHECK(clash_calls_w_find(&entries, guest, 3, 4, 5, &flag, &number, &kind) == LUCET_RETURNED && flag && number == 12);
  CHECK(clash_calls_w_exports(&entries, guest, &point, 4, &number) == LUCET_RETURNED && number == 7);
  one.only = 77;
  CHECK(clash_calls_w_wrap(&entries, guest, &one, &wrapped) == LUCET_RETURNED && wrapped.one.only == 77);
  CHECK(clash_calls_w_unix(&entries, guest, 1, 0, W_KIND_W_KIND, &flag) == LUCET_RETURNED && flag);
  /* What imports answer: the guest compares. */
  CHECK(clash_calls_get(&entries, guest, &answer) == LUCET_RETURNED && answer == 4007);
  CHECK(clash_calls_why(&entries, guest, &answer) == LUCET_RETURNED && answer == 654321);
  CHECK(clash_calls_take(&entries, guest, &answer) == LUCET_RETURNED && answer == 987);
  CHECK(clash_calls_hold(&entries, guest, &answer) == LUCET_RETURNED && answer == 5 + 6);
  CHECK(clash_calls_flat(&entries, guest, &answer) == LUCET_RETURNED && answer == 654321);
  CHECK(clash_calls_lists(&entries, guest, &answer) == LUCET_RETURNED && answer == 2 + 30 + 1 + 400);
  CHECK(clash_calls_shadow(&entries, guest, &answer) == LUCET_RETURNED && answer == 2 + 3 + 4 + 5 + 6 + 7 + 8 + 1 + 9 + 10);
  CHECK(check_s_lists(lucet_instance_memory(guest, 0), 8, 2, 30, 24, 1, 400));
  CHECK(!check_s_lists(lucet_instance_memory(guest, 0), 6, 2, 30, 24, 1, 400));
  CHECK(check_s_get_(lucet_instance_memory(guest, 0), 8, 2, 30, 64));
  /* A guest that has the host's answer, which is its own memory, copied onto a part of itself. */
  CHECK(clash_calls_echo(&entries, guest, 1001, &answer) == LUCET_RETURNED && answer == 0x64636261);
  CHECK(clash_calls_echo(&entries, guest, 999, &answer) == LUCET_RETURNED && answer == 0x64636261);
  CHECK(clash_calls_echo(&entries, guest, 0, &answer) == LUCET_TRAPPED);
  if (lucet_instance_outcome(guest, &outcome) || outcome.detail != LUCET_TRAP_HOST_ARGUMENT) failures++;
  if (lucet_instance_release(guest)) failures++;
  CHECK(drops == 2); /* what the guest had been given and kept */
  lucet_region_release(region);
  lucet_module_release(module);
  lucet_linker_release(linker);
  printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks;
}
