/* canaries.c: advisory 44 (CVE-2022-39394: a C API wrote four bytes into a result of one): every result that the library writes
 * through a pointer fits its C type. Each stands between canaries; the sizes themselves are in abi_layout.c. */
#include "fixture.h"

#define CANARY UINT64_C(0x5ca1ab1e0ddba115)
/* A result of a type, between canaries, filled with a pattern. */
#define RESULT(Type, name)                                                                                   \
  struct {                                                                                                   \
    uint64_t before[2];                                                                                      \
    Type value;                                                                                              \
    unsigned char after[16];                                                                                 \
  } name;                                                                                                    \
  memset(&name, 0xa5, sizeof name);                                                                          \
  name.before[0] = name.before[1] = CANARY
static void intact(const uint64_t *before, const unsigned char *after, const char *what) {
  size_t i;
  int good = before[0] == CANARY && before[1] == CANARY;
  for (i = 0; i < 16; i++)
    good = good && after[i] == 0xa5;
  if (!harness_result(good, __FILE__, __LINE__)) printf("%s wrote beyond its result\n", what);
}
#define WRITES(Type, call, check)                                                                            \
  do {                                                                                                       \
    RESULT(Type, r);                                                                                         \
    OK(call);                                                                                                \
    intact(r.before, r.after, #call);                                                                        \
    CHECK(check);                                                                                            \
  } while (0)

static lucet_module *module;

static int32_t back(lucet_call *call, lucet_funcref reference) {
  const lucet_func *one = NULL;
  OK(lucet_module_func(module, "one", &one));
  WRITES(lucet_outcome, lucet_call_run(call, "one", NULL, 0, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_outcome, lucet_call_func(call, one, NULL, 0, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_outcome, lucet_call_funcref(call, reference, NULL, 0, &r.value), r.value.kind == LUCET_RETURNED);
  return 5;
}

static void of_modules(lucet_linker *linker) {
  lucet_requirements wanted = lucet_requirements_default();
  RESULT(lucet_linker *, made);
  RESULT(lucet_module *, loaded);
  RESULT(lucet_module *, linked);
  OK(lucet_linker_new(&made.value));
  intact(made.before, made.after, "lucet_linker_new");
  lucet_linker_release(made.value);
  OK(lucet_module_load_file(guest_path("canaries"), linker, NULL, &loaded.value));
  intact(loaded.before, loaded.after, "lucet_module_load_file");
  OK(lucet_module_link(loaded.value, linker, NULL, &linked.value));
  intact(linked.before, linked.after, "lucet_module_link");
  lucet_module_release(linked.value);
  module = loaded.value;
  WRITES(const lucet_func *, lucet_module_func(module, "one", &r.value), r.value != NULL);
  WRITES(const lucet_func *, lucet_module_func_at(module, 1, &r.value), r.value != NULL);
  WRITES(lucet_extern, lucet_module_import(module, 0, &r.value), r.value.kind == LUCET_EXTERN_FUNCTION);
  WRITES(lucet_extern, lucet_module_export(module, 0, &r.value), r.value.name != NULL);
  {
    RESULT(lucet_requirements, r);
    r.value = wanted;
    OK(lucet_module_requirements(module, &r.value));
    intact(r.before, r.after, "lucet_module_requirements");
  }
}

static void of_instances(lucet_region *region, lucet_instance *guest) {
  static const lucet_handle_kind kind = {"kind", NULL};
  const lucet_func *one = NULL;
  lucet_value null = lucet_value_funcref((lucet_funcref){0});
  uint32_t handle = 0;
  OK(lucet_module_func(module, "one", &one));
  WRITES(lucet_outcome, lucet_instance_start(guest, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_outcome, lucet_instance_run(guest, "one", NULL, 0, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_outcome, lucet_instance_run(guest, "call", NULL, 0, &r.value), r.value.values[0].of.i32 == 5);
  WRITES(lucet_outcome, lucet_instance_call(guest, one, NULL, 0, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_outcome, lucet_instance_outcome(guest, &r.value), r.value.kind == LUCET_RETURNED);
  WRITES(lucet_kill_handle, lucet_instance_kill_handle(guest, &r.value), sizeof r.value > 0);
  WRITES(const uint8_t *, lucet_instance_view(guest, 0, 0, 1, &r.value), r.value != NULL);
  WRITES(uint8_t *, lucet_instance_view_mut(guest, 0, 0, 1, &r.value), r.value != NULL);
  WRITES(uint64_t, lucet_instance_memory_grow(guest, 0, 1, &r.value), r.value == 1);
  WRITES(lucet_value, lucet_instance_global_get(guest, "global", &r.value), r.value.of.i64 == 7);
  WRITES(uint64_t, lucet_instance_table_size(guest, "table", &r.value), r.value == 2);
  WRITES(lucet_value, lucet_instance_table_get(guest, "table", 0, &r.value), r.value.type == LUCET_FUNCREF);
  WRITES(uint64_t, lucet_instance_table_grow(guest, "table", 1, &null, &r.value), r.value == 2);
  WRITES(uint32_t, lucet_instance_handle_new(guest, &kind, guest, &r.value), (handle = r.value) != 0);
  WRITES(void *, lucet_instance_handle_get(guest, &kind, handle, &r.value), r.value == (void *)guest);
  WRITES(void *, lucet_instance_handle_take(guest, &kind, handle, &r.value), r.value == (void *)guest);
  {
    RESULT(uint64_t, address);
    RESULT(lucet_outcome, outcome);
    OK(lucet_instance_alloc(guest, 8, 8, &address.value, &outcome.value));
    intact(address.before, address.after, "lucet_instance_alloc");
    intact(outcome.before, outcome.after, "lucet_instance_alloc");
  }
  {
    RESULT(lucet_instance_stats, r);
    r.value = lucet_instance_stats_default();
    OK(lucet_instance_get_stats(guest, &r.value));
    intact(r.before, r.after, "lucet_instance_get_stats");
  }
  {
    RESULT(lucet_region_stats, r);
    r.value = lucet_region_stats_default();
    OK(lucet_region_get_stats(region, &r.value));
    intact(r.before, r.after, "lucet_region_get_stats");
  }
  WRITES(lucet_outcome, lucet_instance_run(guest, "trap", NULL, 0, &r.value), r.value.kind == LUCET_TRAPPED);
  {
    RESULT(const lucet_frame *, frames);
    RESULT(size_t, count);
    OK(lucet_instance_backtrace(guest, &frames.value, &count.value));
    intact(frames.before, frames.after, "lucet_instance_backtrace");
    intact(count.before, count.after, "lucet_instance_backtrace");
    EQUAL(count.value, 1);
  }
}

int main(void) {
  static const lucet_host_function rows[] = {LUCET_HOST("back", back, int32_t, lucet_funcref)};
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "env", rows, 1, NULL));
  of_modules(linker);
  {
    RESULT(lucet_region *, region);
    RESULT(lucet_instance *, guest);
    NEED(lucet_signals_install(0));
    OK(lucet_region_new(NULL, &region.value));
    intact(region.before, region.after, "lucet_region_new");
    OK(lucet_instance_new(region.value, module, NULL, NULL, &guest.value));
    intact(guest.before, guest.after, "lucet_instance_new");
    of_instances(region.value, guest.value);
    OK(lucet_instance_release(guest.value));
    lucet_region_release(region.value);
  }
  lucet_module_release(module);
  lucet_linker_release(linker);
  return finish();
}
