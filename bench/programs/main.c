/* main.c: runs whole programs as WebAssembly by Lucet and by wasmtime, and natively, and prints the times as
 * JSON.
 *
 *   programs DIRECTORY [--only PREFIX] [--rounds N]
 *
 * DIRECTORY has for each program NAME.wasm, NAME.so (from lucetc), NAME.native and NAME.input.
 *
 * Invariants: a run is a fresh instance, or a process, from its start to its end; what it writes and its exit
 * status are compared with the native program's before and during the measurement. Not here: building
 * (build.sh), the engines, and the report. */
#define _GNU_SOURCE
#include "engine.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>

static const struct engine *const engines[] = {&engine_native, &engine_wasmtime, &engine_lucet};

const char *program_file(const struct program *program, const char *ending) {
  static char path[sizeof program->path + 16];
  snprintf(path, sizeof path, "%s%s", program->path, ending);
  return path;
}

/* A program that an engine has got ready. */
struct ready {
  const struct engine *engine;
  void *opened;
};

static uint64_t run(uint64_t argument, void *context, uint64_t count) {
  const struct ready *self = context;
  uint64_t sum = 0;
  (void)argument;
  for (; count; count--)
    sum += self->engine->run(self->opened);
  return sum;
}

static void add_case(struct bench_list *list, const struct program *program, const struct engine *engine) {
  struct ready *self = calloc(1, sizeof *self);
  if (!self) bench_fail("no memory for %s", program->name);
  self->engine = engine;
  self->opened = engine->open(program);
  bench_add(list, program->name, engine->name, run, 0, self, 1);
}

/* The path is that of NAME.wasm, in a directory. */
static void add_program(struct bench_list *list, const char *path) {
  struct program *program = calloc(1, sizeof *program);
  size_t length = strlen(path) - strlen(".wasm");
  if (!program || length >= sizeof program->path) bench_fail("no memory for %s", path);
  memcpy(program->path, path, length);
  program->name = strrchr(program->path, '/') + 1;
  program->input = bench_read(program_file(program, ".input"), &program->input_length);
  for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
    add_case(list, program, engines[i]);
}

int main(int count, char **words) {
  struct bench_plan plan = {.rounds = 7, .batch_ns = 0};
  static struct bench_list list;
  char pattern[4096];
  glob_t found;
  if (count < 2) bench_fail("usage: programs DIRECTORY [--only PREFIX] [--rounds N]");
  for (int i = 2; i + 1 < count; i += 2) {
    if (!strcmp(words[i], "--only"))
      plan.only = words[i + 1];
    else if (!strcmp(words[i], "--rounds"))
      plan.rounds = (unsigned)strtoul(words[i + 1], NULL, 10);
    else
      bench_fail("what is %s?", words[i]);
  }
  if (plan.rounds < 4) bench_fail("at least four rounds");
  snprintf(pattern, sizeof pattern, "%s/*.wasm", words[1]);
  if (glob(pattern, 0, NULL, &found)) bench_fail("no programs");
  for (size_t i = 0; i < found.gl_pathc; i++) {
    const char *slash = strrchr(found.gl_pathv[i], '/');
    if (bench_wanted(slash + 1, plan.only)) add_program(&list, found.gl_pathv[i]);
  }
  if (!list.length) bench_fail("no program whose name begins with %s", plan.only ? plan.only : "anything");
  bench_pin(1); /* not before: wasmtime compiles on all processors */
  bench_measure(&list, &plan);
  printf("{\"rows\": ");
  bench_write(&list, stdout);
  printf("}\n");
  return 0;
}
