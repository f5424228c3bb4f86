/* without_guest.c: see cases.h. */
#include "cases.h"
#include <lucet/testing.h>

/* What the guest passes to `floats` in front of its own arguments. */
static const double constants[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static size_t arguments_of(size_t row, uint32_t first, uint32_t second, lucet_value *arguments) {
  size_t count = 0, i;
  if (!strcmp(rows[row].name, "floats"))
    for (i = 0; i < 9; i++, count++)
      arguments[count] = i % 2 ? lucet_value_f64(constants[i]) : lucet_value_f32((float)constants[i]);
  arguments[count++] = lucet_value_i32((int32_t)first);
  arguments[count++] = lucet_value_i32((int32_t)second);
  return count;
}

/* The guest's exports answer i32: what an i64 holds from bit 16 on, and a whole float. */
static void as_the_guest(size_t row, lucet_outcome *outcome, lucet_value *value) {
  if (outcome->kind != LUCET_RETURNED || !outcome->value_count) return;
  *value = outcome->values[0];
  if (!strcmp(rows[row].name, "answer")) *value = lucet_value_i32((int32_t)(value->of.i64 >> 16));
  if (!strcmp(rows[row].name, "floats")) *value = lucet_value_i32((int32_t)value->of.f64);
  outcome->values = value;
}

static lucet_outcome guest(lucet_testing *test, const char *name, const lucet_value *arguments, size_t count) {
  lucet_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  (void)test;
  outcome.kind = name && !strcmp(name, "trap") ? LUCET_TRAPPED : LUCET_RETURNED;
  outcome.values = arguments;
  outcome.value_count = count;
  return outcome;
}

static int failures;
#define CHECK(condition) ((condition) ? (void)0 : (void)(failures++, fprintf(stderr, "FAIL line %d: %s\n", __LINE__, #condition)))

static int releases;
static void release(void *object) {
  (void)object;
  releases++;
}
static const lucet_handle_kind kind = {"kind", release};
static int32_t use(lucet_call *call, int *object) {
  CHECK(lucet_call_data(call) == &releases && lucet_call_instance_data(call) == &failures);
  return *object;
}

static void the_rest(void) {
  static const lucet_host_function row = LUCET_HOST("use", use, int32_t, LUCET_HANDLE(int, kind));
  lucet_testing *test = lucet_testing_new(10, &releases, &failures);
  lucet_call *call;
  lucet_outcome outcome;
  lucet_value argument = lucet_value_i32(5);
  uint32_t handle = 0;
  int object = 77;
  void *taken = NULL;
  CHECK(lucet_call_trap(lucet_testing_call(test), LUCET_TRAP_HOST) == LUCET_OK);
  outcome = lucet_testing_finish(test);
  CHECK(outcome.kind == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_HOST);
  call = lucet_testing_call(test);
  CHECK(lucet_call_run(call, "f", &argument, 1, &outcome) == LUCET_NOT_FOUND);
  lucet_testing_set_guest(test, guest);
  CHECK(lucet_call_run(call, "f", &argument, 1, &outcome) == LUCET_OK && outcome.values[0].of.i32 == 5);
  CHECK(lucet_call_run(call, "trap", NULL, 0, &outcome) == LUCET_OK && outcome.kind == LUCET_TRAPPED);
  CHECK(lucet_call_suspend(call, 1) == LUCET_BAD_STATE && lucet_call_run(call, "f", NULL, 0, &outcome) == LUCET_BAD_STATE);
  CHECK(lucet_testing_finish(test).kind == LUCET_TRAPPED);
  CHECK(lucet_call_terminate(call, 1) == LUCET_BAD_STATE && !lucet_call_instance(call)); /* the call is over */
  call = lucet_testing_call(test);
  CHECK(!lucet_instance_handle_new(lucet_call_instance(call), &kind, &object, &handle));
  argument = lucet_value_i32((int32_t)handle);
  outcome = lucet_testing_invoke(test, &row, &argument, 1);
  CHECK(outcome.kind == LUCET_RETURNED && outcome.values[0].of.i32 == 77);
  argument = lucet_value_i32((int32_t)handle + 1);
  CHECK(lucet_testing_invoke(test, &row, &argument, 1).detail == LUCET_TRAP_HOST_ARGUMENT);
  argument = lucet_value_i64(1);
  CHECK(lucet_testing_invoke(test, &row, &argument, 1).kind == LUCET_NOT_RUN);
  CHECK(lucet_testing_invoke(test, &row, &argument, 0).kind == LUCET_NOT_RUN);
  call = lucet_testing_call(test);
  CHECK(!lucet_instance_handle_take(lucet_call_instance(call), &kind, handle, &taken) && taken == &object && !releases);
  CHECK(lucet_instance_handle_drop(lucet_call_instance(call), &kind, handle) == LUCET_NOT_FOUND);
  CHECK(!lucet_instance_handle_new(lucet_call_instance(call), &kind, &object, &handle));
  lucet_testing_free(test);
  CHECK(releases == 1);
  lucet_testing_free(NULL);
}

int main(void) {
  static uint8_t content[PAGE];
  size_t row, i, j;
  fill(content);
  names();
  for (row = 0; row < ROWS; row++)
    for (i = 0; i < NUMBERS; i++)
      for (j = 0; j < NUMBERS; j++) {
        lucet_testing *test = lucet_testing_new(PAGE, NULL, NULL);
        lucet_value arguments[12], value;
        const size_t count = arguments_of(row, numbers[i], numbers[j], arguments);
        lucet_outcome outcome;
        if (!test) return 1;
        memcpy(lucet_testing_memory(test), content, PAGE);
        outcome = lucet_testing_invoke(test, &rows[row], arguments, count);
        as_the_guest(row, &outcome, &value);
        report(rows[row].name, numbers[i], numbers[j], &outcome, lucet_testing_memory(test),
               lucet_instance_memory(lucet_call_instance(lucet_testing_call(test)), 0).size);
        lucet_testing_free(test);
      }
  the_rest();
  return failures != 0;
}
