/* compile.c: how long compilers take over a module, in processor time and elapsed, and how much memory:
 * lucetc as it is run, and wasmtime in a process that does nothing else. Each run is a process of its own, so
 * that start and peak memory count for both; with one thread, and with as many as there are CPUs.
 *
 * Not here: anything about the code that comes out. */
#define _GNU_SOURCE
#include "compile.h"
#include "../common/measure.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wasm.h>
#include <wasmtime.h>

enum { REPEATS = 5 };

struct run {
  const char *input;
  const char *directory;
  bool parallel;
};
struct cost {
  double elapsed_ms, cpu_ms, peak_mb;
};

static void lucet_child(const struct run *run) {
  char program[600], input[600], output[600];
  const char *prefix = getenv("LUCET_PREFIX");
  snprintf(program, sizeof program, "%s/bin/lucetc", prefix ? prefix : "");
  snprintf(input, sizeof input, "%s/%s.wasm", run->directory, run->input);
  snprintf(output, sizeof output, "%s/compiled", run->directory);
  execl(program, program, input, "-o", output, "--threads", run->parallel ? "0" : "1", (char *)NULL);
  _exit(127);
}

static void wasmtime_child(const struct run *run) {
  char path[600];
  size_t length;
  wasmtime_module_t *module;
  wasm_byte_vec_t image;
  wasm_config_t *config = wasm_config_new();
  wasmtime_config_parallel_compilation_set(config, run->parallel);
  wasm_engine_t *engine = wasm_engine_new_with_config(config);
  snprintf(path, sizeof path, "%s/%s.wasm", run->directory, run->input);
  uint8_t *bytes = bench_read(path, &length);
  if (wasmtime_module_new(engine, bytes, length, &module) || wasmtime_module_serialize(module, &image))
    _exit(1);
  snprintf(path, sizeof path, "%s/compiled", run->directory);
  FILE *file = fopen(path, "wb");
  _exit(!file || fwrite(image.data, 1, image.size, file) != image.size || fclose(file));
}

static double milliseconds(struct timeval time) {
  return (double)time.tv_sec * 1e3 + (double)time.tv_usec * 1e-3;
}

static struct cost measure(void (*child)(const struct run *), const struct run *run) {
  struct cost least = {0, 0, 0};
  for (int i = 0; i < REPEATS; i++) {
    struct rusage used;
    int status = 0;
    fflush(stdout);
    double start = bench_now();
    pid_t process = fork();
    if (!process) child(run);
    if (process < 0 || wait4(process, &status, 0, &used) < 0 || status)
      bench_fail("compiling %s failed", run->input);
    double elapsed = (bench_now() - start) * 1e-6,
           cpu = milliseconds(used.ru_utime) + milliseconds(used.ru_stime);
    if (!i || elapsed < least.elapsed_ms) least.elapsed_ms = elapsed;
    if (!i || cpu < least.cpu_ms) least.cpu_ms = cpu;
    least.peak_mb = (double)used.ru_maxrss / 1024;
  }
  return least;
}

void print_compile(const char *directory) {
  static const char *const inputs[] = {"load100k", "load1m"};
  const char *separator = "";
  printf("\"compile\": {");
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
    for (int parallel = 0; parallel < 2; parallel++) {
      struct run run = {inputs[i], directory, parallel};
      struct cost ours = measure(lucet_child, &run), theirs = measure(wasmtime_child, &run);
      printf("%s\n  \"%s/%s\": {", separator, inputs[i], parallel ? "parallel" : "one_thread");
      printf("\"lucet\": {\"ms\": %.2f, \"cpu_ms\": %.2f, \"peak_mb\": %.1f}, ", ours.elapsed_ms, ours.cpu_ms,
             ours.peak_mb);
      printf("\"wasmtime\": {\"ms\": %.2f, \"cpu_ms\": %.2f, \"peak_mb\": %.1f}}", theirs.elapsed_ms,
             theirs.cpu_ms, theirs.peak_mb);
      separator = ",";
    }
  printf("\n},\n");
}
