/* linker.c: defining host functions and globals, and what linking says about those that do not fit. */
#include "fixture.h"

static int32_t add(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left + right;
}
static int32_t sub(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left - right;
}
static int64_t add64(lucet_call *call, int64_t left, int64_t right) {
  (void)call;
  return left + right;
}
static float missing(lucet_call *call, int64_t value) {
  (void)call;
  return (float)value / 2;
}

static void dynamic_add(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results) {
  CHECK(lucet_call_data(call) == data);
  EQUAL(results[0].type, LUCET_I32);
  EQUAL(arguments[1].type, LUCET_I32);
  results[0].of.i32 = arguments[0].of.i32 + arguments[1].of.i32 + *(int32_t *)data;
}
static int released;
static void release(void *data) {
  (void)data;
  released++;
}

struct problems {
  int count;
  char text[4][512];
};
static void problem(void *data, const char *text, size_t length) {
  struct problems *all = data;
  if (all->count < 4) snprintf(all->text[all->count], sizeof all->text[0], "%.*s", (int)length, text);
  all->count++;
}

static void definitions(void) {
  static const lucet_host_function rows[] = {LUCET_HOST("add", add, int32_t, int32_t, int32_t),
                                             LUCET_HOST("sub", sub, int32_t, int32_t, int32_t)};
  lucet_host_function row = rows[0];
  lucet_linker *linker = NULL;
  lucet_value value = lucet_value_i32(1);
  lucet_funcref function = {1};
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_new(NULL));
  NEED(lucet_linker_new(&linker));
  OK(lucet_linker_define(linker, "env", rows, 2, NULL));
  OK(lucet_linker_define(linker, "other", rows, 2, NULL));
  OK(lucet_linker_define(linker, "env", NULL, 0, NULL));
  FAILS(LUCET_BAD_ARGUMENT, "\"env\" \"add\"", lucet_linker_define(linker, "env", rows, 1, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define(linker, NULL, rows, 1, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define(linker, "third", NULL, 1, NULL));
  row.name = NULL;
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define(linker, "third", &row, 1, NULL));
  row = rows[0];
  row.function = NULL;
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define(linker, "third", &row, 1, NULL));
  row = rows[0];
  row.types = 0xF; /* no type has this number */
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define(linker, "third", &row, 1, NULL));
  row = rows[0];
  row.flags = 0x80;
  CHECK(lucet_linker_define(linker, "third", &row, 1, NULL) != LUCET_OK);
  row = rows[0];
  row.reserved = 1;
  CHECK(lucet_linker_define(linker, "third", &row, 1, NULL) != LUCET_OK);
  OK(lucet_linker_define_global(linker, "env", "base", &value));
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define_global(linker, "env", "base", &value));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_global(linker, "env", "base2", NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_global(linker, "env", NULL, &value));
  value.type = 99;
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define_global(linker, "env", "bad", &value));
  value = lucet_value_funcref(function);
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define_global(linker, "env", "bad", &value));
  /* Rows are all or nothing: the good one before the bad one is not defined. */
  {
    lucet_host_function both[2];
    both[0] = rows[1];
    both[0].name = "fresh";
    both[1] = rows[0];
    CHECK(lucet_linker_define(linker, "env", both, 2, NULL) != LUCET_OK);
    OK(lucet_linker_define(linker, "env", both, 1, NULL));
  }
  lucet_linker_release(linker);
}

static void foreign_objects(void) {
  lucet_linker *linker = NULL;
  uint64_t garbage[64];
  memset(garbage, 0x5a, sizeof garbage);
  NEED(lucet_linker_new(&linker));
  FAILS(LUCET_BAD_ARGUMENT, "lucet_linker",
        lucet_linker_define((lucet_linker *)(void *)garbage, "env", NULL, 0, NULL));
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_trap_missing((lucet_linker *)(void *)garbage));
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_trap_missing((lucet_linker *)(void *)((char *)garbage + 1)));
  EQUAL(lucet_module_export_count((const lucet_module *)(void *)linker), 0);
  CONTAINS(lucet_last_error(), "lucet_module");
  lucet_linker_release((lucet_linker *)(void *)garbage); /* refused, not freed */
  lucet_linker_release(linker);
}

static void dynamic(lucet_region *region) {
  static const lucet_type two[] = {LUCET_I32, LUCET_I32}, bad[] = {LUCET_I32, 44};
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_instance *guest;
  int32_t data = 1000;
  NEED(lucet_linker_new(&linker));
  STATUS(LUCET_NULL_ARGUMENT,
         lucet_linker_define_dynamic(linker, "env", "add", two, 2, two, 1, NULL, &data, release));
  STATUS(LUCET_BAD_ARGUMENT,
         lucet_linker_define_dynamic(linker, "env", "add", bad, 2, two, 1, dynamic_add, &data, release));
  STATUS(LUCET_NULL_ARGUMENT,
         lucet_linker_define_dynamic(linker, "env", "add", NULL, 2, two, 1, dynamic_add, &data, release));
  EQUAL(released, 0); /* what was refused stays the caller's */
  NEED(lucet_linker_define_dynamic(linker, "env", "add", two, 2, two, 1, dynamic_add, &data, release));
  module = fixture_module("sum", linker);
  lucet_linker_release(linker);
  EQUAL(released, 0);
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN2(guest, "sum", 30, 4), 1034);
  lucet_module_release(module);
  EQUAL(released, 0); /* the instance holds its module, and that its definitions */
  EQUAL(RUN2(guest, "sum", 1, 1), 1002);
  OK(lucet_instance_release(guest));
  EQUAL(released, 1);
}

/* Every problem is reported, with names and both types, and the status is that of the gravest. */
static void problems(void) {
  lucet_load_options options = lucet_load_options_default();
  struct problems all = {0, {""}};
  lucet_linker *linker = NULL;
  lucet_module *module = NULL;
  lucet_value value = lucet_value_i64(4);
  options.problem = problem;
  options.data = &all;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("add", add64, int64_t, int64_t, int64_t)));
  NEED(lucet_linker_define_global(linker, "env", "base", &value));
  FAILS(LUCET_TYPE_MISMATCH, "more",
        lucet_module_load_file(guest_path("two_imports"), linker, &options, &module));
  CHECK(module == NULL);
  EQUAL(all.count, 3);
  CONTAINS(all.text[0], "\"env\" \"add\"");
  CONTAINS(all.text[0], "(i32, i32) -> (i32)");
  CONTAINS(all.text[0], "(i64, i64) -> (i64)");
  CONTAINS(all.text[1], "missing");
  CONTAINS(all.text[2], "base");
  lucet_linker_release(linker);
  memset(&all, 0, sizeof all);
  NEED(lucet_linker_new(&linker));
  STATUS(LUCET_NOT_FOUND, lucet_module_load_file(guest_path("two_imports"), linker, &options, &module));
  EQUAL(all.count, 3);
  /* A function where a global is wanted, and the other way round. */
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("base", add, int32_t, int32_t, int32_t)));
  NEED(lucet_linker_define_global(linker, "env", "add", &value));
  STATUS(LUCET_TYPE_MISMATCH, lucet_module_load_file(guest_path("two_imports"), linker, NULL, &module));
  lucet_linker_release(linker);
}

static void missing_imports(lucet_region *region) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_instance *guest;
  lucet_outcome outcome;
  lucet_value value = lucet_value_i32(4);
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define_global(linker, "env", "base", &value));
  OK(lucet_linker_trap_missing(linker));
  module = fixture_module("two_imports", linker);
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN0(guest, "fine"), 5);
  OK(lucet_instance_run(guest, "call_missing", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST);
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  /* Later definitions do not change what is linked; a new link has them. */
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("missing", missing, float, int64_t)));
  module = fixture_module("two_imports", linker);
  guest = fixture_instance(region, module, NULL);
  OK(lucet_instance_run(guest, "call_missing", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(outcome.values[0].of.f32 > 0.4f && outcome.values[0].of.f32 < 0.6f);
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_linker_release(linker);
}

int main(void) {
  lucet_region *region = fixture_region(2);
  definitions();
  foreign_objects();
  dynamic(region);
  problems();
  missing_imports(region);
  lucet_region_release(region);
  return finish();
}
