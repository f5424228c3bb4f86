/* fixture.h: what most unit tests start with: a module compiled from guests/NAME.wat, a region, an instance.
 * The directory of the compiled guests comes in the environment variable LUCET_GUESTS. */
#ifndef FIXTURE_H
#define FIXTURE_H
#include "harness.h"

static inline const char *guest_path(const char *name) {
  static char path[4096];
  const char *directory = getenv("LUCET_GUESTS");
  if (!directory) {
    printf("LUCET_GUESTS is not set\n");
    exit(1);
  }
  snprintf(path, sizeof path, "%s/%s.so", directory, name);
  return path;
}

/* A module linked with what the linker has; NULL stands for a linker without definitions. */
static inline lucet_module *fixture_module(const char *name, lucet_linker *linker) {
  lucet_module *module = NULL;
  lucet_linker *own = NULL;
  if (!linker) NEED(lucet_linker_new(&own));
  NEED(lucet_module_load_file(guest_path(name), linker ? linker : own, NULL, &module));
  lucet_linker_release(own);
  return module;
}

static inline lucet_region *fixture_region(uint32_t instances) {
  lucet_region *region = NULL;
  lucet_region_config config = lucet_region_config_default();
  config.instances = instances;
  NEED(lucet_signals_install(0));
  NEED(lucet_region_new(&config, &region));
  return region;
}

static inline lucet_instance *fixture_instance(lucet_region *region, const lucet_module *module, void *data) {
  lucet_instance *guest = NULL;
  NEED(lucet_instance_new(region, module, data, NULL, &guest));
  return guest;
}

/* Runs an export with up to two i32 parameters, as many as the count says; the outcome goes to *outcome. */
static inline lucet_status run_i32(lucet_instance *guest, const char *name, size_t count, int32_t first,
                                   int32_t second, lucet_outcome *outcome) {
  lucet_value arguments[2];
  arguments[0] = lucet_value_i32(first);
  arguments[1] = lucet_value_i32(second);
  return lucet_instance_run(guest, name, arguments, count, outcome);
}

/* The single i32 that an export returns; a failed check when it does not. */
static inline int32_t result_i32(lucet_instance *guest, const char *name, size_t count, int32_t first,
                                 int32_t second, const char *file, int line) {
  lucet_outcome outcome;
  lucet_status status = run_i32(guest, name, count, first, second, &outcome);
  int good = !status && outcome.kind == LUCET_RETURNED && outcome.value_count == 1 &&
             outcome.values[0].type == LUCET_I32;
  if (!harness_result(good, file, line))
    printf("%s: %s, outcome %" PRIu32 " detail %" PRIu32 "\n", name, lucet_status_name(status), outcome.kind,
           outcome.detail);
  return good ? outcome.values[0].of.i32 : INT32_MIN;
}
#define RUN0(guest, name) result_i32(guest, name, 0, 0, 0, __FILE__, __LINE__)
#define RUN1(guest, name, first) result_i32(guest, name, 1, first, 0, __FILE__, __LINE__)
#define RUN2(guest, name, first, second) result_i32(guest, name, 2, first, second, __FILE__, __LINE__)

static inline const char *describe(const lucet_instance *guest) {
  static char line[1024];
  lucet_instance_describe(guest, line, sizeof line);
  return line;
}
#endif
