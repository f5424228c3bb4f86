/* min.c: the smallest host: one host function, one guest, called by name and by its type. C99. Usage: min
 * MODULE */
#include <lucet.h>
#include <inttypes.h>
#include <stdio.h>

static int32_t host_add(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left + right;
}

static const lucet_host_function env[] = {LUCET_HOST("add", host_add, int32_t, int32_t, int32_t)};

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, lucet_last_error());
  return 1;
}

static int call(lucet_instance *guest, const lucet_module *module) {
  LUCET_ENTRY(sum, int32_t, int32_t, int32_t);
  lucet_value arguments[2];
  lucet_outcome outcome;
  int32_t typed = 0;
  arguments[0] = lucet_value_i32(20);
  arguments[1] = lucet_value_i32(22);
  if (lucet_instance_run(guest, "sum", arguments, 2, &outcome)) return fail("run");
  if (outcome.kind != LUCET_RETURNED) {
    char line[256];
    lucet_instance_describe(guest, line, sizeof line);
    fprintf(stderr, "%s\n", line);
    return 1;
  }
  printf("sum: %" PRId32 "\n", outcome.values[0].of.i32);
  if (!LUCET_FIND(sum, module, "sum", int32_t, int32_t, int32_t)) return fail("find");
  if (sum(guest, &typed, 40, 2) != LUCET_RETURNED) return fail("typed call");
  printf("typed: %" PRId32 "\n", typed);
  return 0;
}

int main(int argc, char **argv) {
  lucet_linker *linker = NULL;
  lucet_module *module = NULL;
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_region_config config = lucet_region_config_default();
  int status;

  if (argc != 2) return 2;
  if (lucet_linker_new(&linker) || lucet_linker_define(linker, "env", env, 1, NULL)) return fail("linker");
  if (lucet_module_load_file(argv[1], linker, NULL, &module)) return fail("module");
  lucet_linker_release(linker);
  if (lucet_signals_install(0)) return fail("signals");
  config.instances = 100;
  if (lucet_region_config_fit(&config, module) || lucet_region_new(&config, &region)) return fail("region");
  if (lucet_instance_new(region, module, NULL, NULL, &guest)) return fail("instance");
  status = call(guest, module);
  lucet_region_release(region); /* in any order: the instance holds what it needs */
  lucet_module_release(module);
  if (lucet_instance_release(guest)) return fail("release");
  return status;
}
