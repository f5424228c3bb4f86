/* exceptions.c: tags of the host's, throwing from host functions, exceptions that nobody catches, callbacks
 * in between, references, and the limit on how many there are. */
#include "fixture.h"

enum act {
  RETURN,
  THROW,
  THROW_EXPORT,
  THROW_TWICE,
  THROW_OTHER,
  THROW_WRONG,
  CALL_AND_RETHROW,
  CALL_AND_KEEP,
  CALL
};
struct host {
  lucet_tag *refused, *other;
};

static lucet_exception exception_of(const lucet_instance *guest, lucet_status expected) {
  lucet_exception exception;
  memset(&exception, 0, sizeof exception);
  exception.struct_size = sizeof exception;
  STATUS(expected, lucet_instance_exception(guest, &exception));
  return exception;
}

static void own_values(lucet_value values[3]) {
  static int object;
  values[0] = lucet_value_i64(7);
  values[1] = lucet_value_externref((lucet_externref){&object});
  values[2] = lucet_value_v128((lucet_v128){1, 2});
}

static void callback(lucet_call *call, int rethrow) {
  lucet_instance *guest = lucet_call_instance(call);
  const struct host *host = lucet_call_data(call);
  lucet_value argument = lucet_value_i32(42);
  lucet_exception exception;
  lucet_outcome outcome;
  OK(lucet_call_run(call, "throw_refused", &argument, 1, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
  exception = exception_of(guest, LUCET_OK);
  CHECK(exception.tag == host->refused);
  EQUAL(exception.value_count, 2);
  EQUAL(exception.values[0].of.i32, 42);
  CHECK(exception.values[1].of.f64 == 0.5);
  if (rethrow)
    OK(lucet_call_rethrow(call));
  else
    OK(lucet_instance_keep(guest));
  FAILS(LUCET_BAD_STATE, "no callback", lucet_call_rethrow(call));
}

static int32_t act(lucet_call *call, int32_t number) {
  const struct host *host = lucet_call_data(call);
  lucet_value values[3], pair[2];
  lucet_outcome outcome;
  own_values(values);
  pair[0] = lucet_value_i32(5);
  pair[1] = lucet_value_f64(1);
  switch (number) {
  case THROW:
    OK(lucet_call_throw(call, host->refused, pair, 2));
    break;
  case THROW_EXPORT:
    STATUS(LUCET_NOT_FOUND, lucet_call_throw_export(call, "hidden", NULL, 0));
    STATUS(LUCET_TYPE_MISMATCH, lucet_call_throw_export(call, "own", values, 2));
    OK(lucet_call_throw_export(call, "own", values, 3));
    break;
  case THROW_TWICE:
    OK(lucet_call_throw(call, host->refused, pair, 2));
    FAILS(LUCET_BAD_STATE, "already", lucet_call_throw(call, host->refused, pair, 2));
    FAILS(LUCET_BAD_STATE, "any more", lucet_call_suspend(call, 1));
    FAILS(LUCET_BAD_STATE, "any more", lucet_call_run(call, "throw_hidden", NULL, 0, &outcome));
    break;
  case THROW_OTHER:
    FAILS(LUCET_BAD_ARGUMENT, "does not import", lucet_call_throw(call, host->other, pair, 2));
    STATUS(LUCET_NULL_ARGUMENT, lucet_call_throw(call, NULL, pair, 2));
    STATUS(LUCET_NULL_ARGUMENT, lucet_call_throw(call, host->refused, NULL, 2));
    STATUS(LUCET_NULL_ARGUMENT, lucet_call_throw_export(call, NULL, NULL, 0));
    STATUS(LUCET_NULL_ARGUMENT, lucet_call_throw(NULL, host->refused, pair, 2));
    break;
  case THROW_WRONG:
    STATUS(LUCET_TYPE_MISMATCH, lucet_call_throw(call, host->refused, pair, 1));
    STATUS(LUCET_TYPE_MISMATCH, lucet_call_throw(call, host->refused, values, 2));
    FAILS(LUCET_BAD_STATE, "no callback", lucet_call_rethrow(call));
    break;
  case CALL_AND_RETHROW:
    callback(call, 1);
    break;
  case CALL_AND_KEEP:
    callback(call, 0);
    break;
  case CALL:
    OK(lucet_call_run(call, "throw_hidden", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
    break;
  default:
    break;
  }
  return number + 100;
}

static int32_t leaf(lucet_call *call, int32_t number) {
  const struct host *host = lucet_call_data(call);
  lucet_value pair[2];
  pair[0] = lucet_value_i32(5);
  pair[1] = lucet_value_f64(1);
  FAILS(LUCET_BAD_STATE, "leaf", lucet_call_throw(call, host->refused, pair, 2));
  return number;
}

/* The guest catches what its host throws. */
static void caught(lucet_instance *guest) {
  EQUAL(RUN1(guest, "catch", RETURN), 100 + RETURN);
  EQUAL(RUN1(guest, "catch", THROW), 1005);
  EQUAL(RUN1(guest, "catch", THROW_EXPORT), 2000);
  EQUAL(RUN1(guest, "catch", THROW_TWICE), 1005);
  EQUAL(RUN1(guest, "catch", THROW_OTHER), 100 + THROW_OTHER);
  EQUAL(RUN1(guest, "catch", THROW_WRONG), 100 + THROW_WRONG);
  EQUAL(RUN1(guest, "catch", CALL_AND_RETHROW), 1042);
  EQUAL(RUN1(guest, "catch", CALL_AND_KEEP), 100 + CALL_AND_KEEP);
  EQUAL(RUN1(guest, "leaf", 3), 3);
}

/* The host sees what its guest does not catch. */
static void uncaught(lucet_instance *guest, struct host *host) {
  int object;
  lucet_value argument = lucet_value_externref((lucet_externref){&object});
  lucet_exception exception;
  lucet_outcome outcome;
  exception_of(guest, LUCET_NOT_FOUND);
  OK(lucet_instance_run(guest, "throw_own", &argument, 1, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
  EQUAL(outcome.value_count, 0);
  exception = exception_of(guest, LUCET_OK);
  CHECK(exception.tag == NULL);
  EQUAL(exception.index, 1);
  CHECK(exception.name_length == 3 && memcmp(exception.name, "own", 3) == 0);
  EQUAL(exception.value_count, 3);
  EQUAL(exception.values[0].type, LUCET_I64);
  EQUAL(exception.values[0].of.i64, -5);
  EQUAL(exception.values[1].type, LUCET_EXTERNREF);
  CHECK(exception.values[1].of.externref.host == &object);
  EQUAL(exception.values[2].type, LUCET_V128);
  EQUAL(exception.values[2].of.v128.hi, 2);
  CONTAINS(describe(guest), "uncaught exception \"own\" in \"throw_own\"");
  OK(lucet_instance_reset(guest));
  exception_of(guest, LUCET_NOT_FOUND);
  OK(lucet_instance_run(guest, "throw_hidden", NULL, 0, &outcome));
  exception = exception_of(guest, LUCET_OK);
  CHECK(!exception.tag && !exception.name && exception.value_count == 0);
  EQUAL(exception.index, 2);
  OK(lucet_instance_keep(guest));
  /* From a host function: its own exception, and that of a callback. */
  OK(run_i32(guest, "uncaught", 1, THROW, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
  exception = exception_of(guest, LUCET_OK);
  CHECK(exception.tag == host->refused && exception.index == 0 && exception.value_count == 2);
  CONTAINS(describe(guest), "in host function \"env\" \"act\"");
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "catch", 1, CALL, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
  EQUAL(exception_of(guest, LUCET_OK).index, 2);
  OK(lucet_instance_reset(guest));
}

/* Many more than there is room for at once: each is over when the guest, or its callback, is kept. */
static void uncaught_and_kept(lucet_instance *guest) {
  lucet_outcome outcome;
  for (unsigned i = 0; i < 3000 && !harness_failures; i++) {
    OK(lucet_instance_run(guest, "throw_hidden", NULL, 0, &outcome));
    OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTION);
    OK(lucet_instance_keep(guest));
    OK(run_i32(guest, "uncaught", 1, CALL_AND_KEEP, 0, &outcome));
    OUTCOME(outcome, LUCET_RETURNED, 0);
  }
}

static void references(lucet_instance *guest) {
  lucet_value value = lucet_value_exnref((lucet_exnref){0});
  lucet_outcome outcome;
  OK(lucet_instance_run(guest, "hold", &value, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].type, LUCET_EXNREF);
  value = outcome.values[0];
  CHECK(value.of.exnref.opaque != 0);
  OK(lucet_instance_run(guest, "hold", &value, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  OK(lucet_instance_reset(guest));
  FAILS(LUCET_BAD_ARGUMENT, "no reference to an exception",
        lucet_instance_run(guest, "hold", &value, 1, &outcome));
}

static void limits(lucet_instance *guest) {
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  EQUAL(RUN1(guest, "hoard", 200), 1);
  OK(run_i32(guest, "hoard", 1, 5000, 0, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_EXCEPTIONS);
  OK(lucet_instance_reset(guest));
  limits.exception_bytes = 1 << 20;
  OK(lucet_instance_set_limits(guest, &limits));
  EQUAL(RUN1(guest, "hoard", 5000), 1);
  OK(lucet_instance_reset(guest));
}

static void tags(void) {
  static const lucet_type wrong[] = {LUCET_I32, 99};
  lucet_linker *linker;
  lucet_tag *tag = NULL;
  NEED(lucet_linker_new(&linker));
  STATUS(LUCET_BAD_ARGUMENT, lucet_tag_new(wrong, 2, &tag));
  CHECK(!tag);
  STATUS(LUCET_NULL_ARGUMENT, lucet_tag_new(wrong, 1, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_tag_new(NULL, 1, &tag));
  OK(lucet_tag_new(NULL, 0, &tag));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_tag(linker, "env", "tag", NULL));
  OK(lucet_linker_define_tag(linker, "env", "tag", tag));
  FAILS(LUCET_BAD_ARGUMENT, "defined already", lucet_linker_define_tag(linker, "env", "tag", tag));
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define_tag(linker, "env", "other", (const lucet_tag *)linker));
  lucet_tag_release(tag);
  lucet_tag_release(NULL);
  lucet_linker_release(linker);
}

static void described(const lucet_module *module) {
  lucet_extern described;
  OK(lucet_module_import(module, 0, &described));
  EQUAL(described.kind, LUCET_EXTERN_TAG);
  EQUAL(described.parameter_count, 2);
  CHECK(described.parameters[0] == LUCET_I32 && described.parameters[1] == LUCET_F64);
}

int main(void) {
  static const lucet_type parameters[] = {LUCET_I32, LUCET_F64};
  struct host host;
  lucet_linker *linker;
  lucet_region *region = fixture_region(1);
  lucet_module *module;
  lucet_instance *guest;
  tags();
  NEED(lucet_tag_new(parameters, 2, &host.refused));
  NEED(lucet_tag_new(parameters, 2, &host.other));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", &host, LUCET_HOST("act", act, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  NEED(lucet_linker_define_tag(linker, "env", "refused", host.refused));
  module = fixture_module("exceptions", linker);
  described(module);
  lucet_linker_release(linker);
  guest = fixture_instance(region, module, NULL);
  caught(guest);
  uncaught(guest, &host);
  uncaught_and_kept(guest);
  references(guest);
  limits(guest);
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_region_release(region);
  lucet_tag_release(host.refused);
  lucet_tag_release(host.other);
  return finish();
}
