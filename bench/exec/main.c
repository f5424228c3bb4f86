/* main.c: runs each kernel as WebAssembly by Lucet and its peers, and natively, and prints the times as JSON.
 *
 *   exec DIRECTORY [--only PREFIX] [--rounds N]
 *
 * DIRECTORY has for each kernel NAME.wasm, NAME.so and NAME.v2.so (from lucetc, the second for
 * x86-64-v2), and shared objects with a function `run`: NAME.w2c.so, NAME.native.so, NAME.novec.so.
 *
 * Invariants: one kernel does the same number of rounds everywhere; checksums are compared before and during
 * the measurement; every engine has a kernel in as many places in memory, and takes them in turns, because
 * how well branches are predicted depends on where they lie. Not here: compiling (build.sh) and the report. */
#define _GNU_SOURCE
#include "../common/measure.h"
#include <dlfcn.h>
#include <glob.h>
#include <lucet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wasm.h>
#include <wasmtime.h>

enum { MOST_KERNELS = 31, PLACES = 5 };
/* What a kernel's native twin is given to do, at least: short, so that many runs are undisturbed. */
#define SHORTEST_NS 2e6

/* A kernel of one engine, loaded as often. */
struct places {
  void *loaded[PLACES];
  unsigned next;
};
struct native {
  uint32_t (*run)(uint32_t rounds);
};
struct lucet {
  lucet_instance *instance;
  LUCET_ENTRY(run, uint32_t, uint32_t);
};
struct wasmtime {
  wasmtime_context_t *context;
  wasmtime_func_t run;
};

static const char *directory;
static lucet_region *region;
static lucet_linker *linker;
/* For this machine's CPU, as wasmtime compiles by itself, and for x86-64-v2. */
static wasm_engine_t *engine, *engine_v2;

static void *make(size_t size) {
  void *made = calloc(1, size);
  if (!made) bench_fail("no memory");
  return made;
}

static const char *path_of(const char *kernel, const char *ending) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s%s", directory, kernel, ending);
  return path;
}

/* Where this sample is taken. */
static void *next_place(struct places *places) { return places->loaded[places->next++ % PLACES]; }

static uint64_t run_native(uint64_t rounds, void *context, uint64_t count) {
  const struct native *self = next_place(context);
  uint64_t sum = 0;
  for (; count; count--)
    sum += self->run((uint32_t)rounds);
  return sum;
}

static uint64_t run_lucet(uint64_t rounds, void *context, uint64_t count) {
  const struct lucet *self = next_place(context);
  uint64_t sum = 0;
  for (; count; count--) {
    uint32_t result = 0;
    if (self->run(self->instance, &result, (uint32_t)rounds) != LUCET_RETURNED) {
      char line[512];
      lucet_instance_describe(self->instance, line, sizeof line);
      bench_fail("lucet: %s", line);
    }
    sum += result;
  }
  return sum;
}

static uint64_t run_wasmtime(uint64_t rounds, void *context, uint64_t count) {
  const struct wasmtime *self = next_place(context);
  uint64_t sum = 0;
  for (; count; count--) {
    wasmtime_val_raw_t value = {.i32 = (int32_t)rounds};
    wasm_trap_t *trap = NULL;
    if (wasmtime_func_call_unchecked(self->context, &self->run, &value, 1, &trap) || trap)
      bench_fail("wasmtime: a trap");
    sum += (uint32_t)value.i32;
  }
  return sum;
}

/* A copy of a file, as long as the process lives: the dynamic linker loads no file twice. */
static const char *copy_of(const char *path) {
  static char name[64];
  size_t length;
  uint8_t *bytes = bench_read(path, &length);
  int copy = memfd_create("copy", MFD_CLOEXEC);
  if (copy < 0 || write(copy, bytes, length) != (ssize_t)length) bench_fail("%s cannot be copied", path);
  free(bytes);
  snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
  return name;
}

static void *open_native(const char *kernel, const char *ending) {
  struct native *self = make(sizeof *self);
  void *library = dlopen(copy_of(path_of(kernel, ending)), RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, "run") : NULL;
  if (!symbol) bench_fail("%s", dlerror());
  memcpy(&self->run, &symbol, sizeof symbol);
  return self;
}

static void *open_lucet(const char *kernel, const char *ending) {
  struct lucet *self = make(sizeof *self);
  lucet_module *module;
  if (lucet_module_load_file(path_of(kernel, ending), linker, NULL, &module) ||
      lucet_instance_new(region, module, NULL, NULL, &self->instance) ||
      !LUCET_FIND(self->run, module, "run", uint32_t, uint32_t))
    bench_fail("lucet: %s: %s", kernel, lucet_last_error());
  return self;
}

static void *open_wasmtime(const char *kernel, const char *target) {
  wasm_engine_t *compiler = strcmp(target, "v2") ? engine : engine_v2;
  struct wasmtime *self = make(sizeof *self);
  size_t length;
  uint8_t *bytes = bench_read(path_of(kernel, ".wasm"), &length);
  wasmtime_module_t *module;
  wasmtime_instance_t instance;
  wasmtime_extern_t item;
  wasm_trap_t *trap = NULL;
  self->context = wasmtime_store_context(wasmtime_store_new(compiler, NULL, NULL));
  if (wasmtime_module_new(compiler, bytes, length, &module) ||
      wasmtime_instance_new(self->context, module, NULL, 0, &instance, &trap) || trap ||
      !wasmtime_instance_export_get(self->context, &instance, "run", 3, &item) ||
      item.kind != WASMTIME_EXTERN_FUNC)
    bench_fail("wasmtime: %s cannot be loaded", kernel);
  free(bytes);
  self->run = item.of.func;
  return self;
}

/* A power of two, so that it is usually the same from run to run. */
static uint64_t rounds_for(struct native *twin) {
  uint64_t rounds = 1;
  for (;; rounds *= 2) {
    double least = 0;
    for (int i = 0; i < 5; i++) {
      double start = bench_now();
      (void)twin->run((uint32_t)rounds);
      double took = bench_now() - start;
      if (!i || took < least) least = took;
    }
    if (least > SHORTEST_NS) return rounds;
  }
}

/* Whom a kernel is run by, and what of it is loaded. */
static const struct contender {
  const char *name;
  bench_work run;
  void *(*open)(const char *kernel, const char *what);
  const char *what;
} contenders[] = {
  {"native_novec", run_native, open_native, ".novec.so"}, {"native", run_native, open_native, ".native.so"},
  {"wasm2c", run_native, open_native, ".w2c.so"},         {"wasmtime", run_wasmtime, open_wasmtime, "host"},
  {"wasmtime_v2", run_wasmtime, open_wasmtime, "v2"},     {"lucet", run_lucet, open_lucet, ".so"},
  {"lucet_v2", run_lucet, open_lucet, ".v2.so"},
};

static void add_kernel(struct bench_list *list, const char *kernel) {
  uint64_t rounds = rounds_for(open_native(kernel, ".novec.so"));
  for (size_t i = 0; i < sizeof contenders / sizeof *contenders; i++) {
    const struct contender *one = &contenders[i];
    struct places *places = make(sizeof *places);
    for (size_t place = 0; place < PLACES; place++) places->loaded[place] = one->open(kernel, one->what);
    bench_add(list, kernel, one->name, one->run, rounds, places, 1);
  }
}

static wasm_engine_t *new_engine_v2(void) {
  static const char *const features[] = {"has_sse3", "has_ssse3", "has_cmpxchg16b", "has_sse41", "has_sse42", "has_popcnt"};
  wasm_config_t *config = wasm_config_new();
  if (!config || wasmtime_config_target_set(config, "x86_64-unknown-linux-gnu")) bench_fail("wasmtime: no such target");
  for (size_t i = 0; i < sizeof features / sizeof *features; i++)
    wasmtime_config_cranelift_flag_enable(config, features[i]);
  return wasm_engine_new_with_config(config);
}

static void open_engines(void) {
  lucet_region_config config = lucet_region_config_default();
  config.instances = 2 * MOST_KERNELS * PLACES;
  engine = wasm_engine_new(), engine_v2 = new_engine_v2();
  if (!engine || !engine_v2 || lucet_signals_install(0) || lucet_linker_new(&linker) || lucet_region_new(&config, &region))
    bench_fail("cannot start: %s", lucet_last_error());
}

int main(int count, char **words) {
  struct bench_plan plan = {.rounds = 80, .batch_ns = 1};
  static struct bench_list list;
  glob_t found;
  if (count < 2) bench_fail("usage: exec DIRECTORY [--only PREFIX] [--rounds N]");
  directory = words[1];
  for (int i = 2; i + 1 < count; i += 2) {
    if (!strcmp(words[i], "--only"))
      plan.only = words[i + 1];
    else if (!strcmp(words[i], "--rounds"))
      plan.rounds = (unsigned)strtoul(words[i + 1], NULL, 10);
    else
      bench_fail("what is %s?", words[i]);
  }
  if (plan.rounds < 4) bench_fail("at least four rounds");
  if (glob(path_of("*", ".wasm"), 0, NULL, &found) || found.gl_pathc > MOST_KERNELS)
    bench_fail("no kernels, or too many");
  bench_pin(1);
  open_engines();
  for (size_t i = 0; i < found.gl_pathc; i++) {
    const char *slash = strrchr(found.gl_pathv[i], '/');
    char *kernel = strdup(slash ? slash + 1 : found.gl_pathv[i]);
    if (!kernel) bench_fail("no memory");
    kernel[strlen(kernel) - strlen(".wasm")] = 0;
    if (bench_wanted(kernel, plan.only)) add_kernel(&list, kernel);
  }
  bench_measure(&list, &plan);
  printf("{\"rows\": ");
  bench_write(&list, stdout);
  printf("}\n");
  return 0;
}
