/* engine.h: what bench/programs knows of an engine: how to get one program ready, and how to run it from
 * beginning to end.
 *
 * Invariants: everything that a host does once for a program (compiling, loading, linking, reading the input)
 * is done by `open`; `run` does what is done for each request, and answers its wasi_answer(). The work of the
 * host functions is in wasi.c and the same for all. */
#ifndef PROGRAMS_BENCH_ENGINE_H
#define PROGRAMS_BENCH_ENGINE_H
#include "../common/measure.h"

/* Where a program's files are: the path without .wasm, .so, .native, .input. Room for an ending behind it. */
struct program {
  const char *name;
  char path[4096];
  char *input;
  size_t input_length;
};

struct engine {
  const char *name;
  void *(*open)(const struct program *program); /* what `run` is given; never closed */
  uint64_t (*run)(void *opened);
};

extern const struct engine engine_native, engine_lucet, engine_wasmtime;

/* The path of one of a program's files; valid until the next call. */
const char *program_file(const struct program *program, const char *ending);
#endif
