/* engine.h: what bench/cycle knows of an engine. Each engine_*.c fills in one of these and adds the cases
 * that it can do; a row that an engine does not have is simply missing for it.
 *
 * Invariants: `open` is called first and once; `cycle` may run on several threads at a time. */
#ifndef ENGINE_H
#define ENGINE_H
#include "../common/measure.h"

enum { OUT_CALLS = 1000 }; /* calls of the host in one run of the guest */

/* The rows of cycle_us, and the argument of `touch`. */
#define CYCLE_ROWS(X) X("cycle/0", 0) X("cycle/1", 1) X("cycle/16", 16) X("cycle/64", 64) X("cycle/256", 256)

struct engine {
  const char *name;
  /* What `cycle` is given as its context. */
  void *context;
  /* Loads the guest, whose compiled forms lie in the directory, and makes room for so many instances. */
  void (*open)(const struct engine *self, const char *directory, unsigned slots);
  void (*add)(const struct engine *self, struct bench_list *list);
  /* A new instance, one call of touch(pages), and its end. */
  bench_work cycle;
  /* Makes `count` more instances, runs `hello` in each, and keeps them; with `release`, releases them all. */
  void (*idle)(const struct engine *self, unsigned count, bool release);
  /* How many of them that row has alive, beside IDLE_WARM. */
  unsigned idle_instances;
};

enum { SLOTS = 64, IDLE_WARM = 64, IDLE_SLOTS = 10000, IDLE_COMPACT = 100000 };

extern const struct engine engine_lucet, engine_wasmtime_0, engine_wasmtime_64k, engine_wasmtime_1m,
    engine_wasm2c;
/* Lucet's instances without guard pages; only in the row of idle instances. */
extern const struct engine engine_lucet_compact;
/* Not engines: what no engine can be faster than. The directory has the modules of the load rows. */
void floor_add(struct bench_list *list, const char *directory);
extern const bench_work floor_memcpy;

/* What the host functions answer; inline, so that each engine has its own copy behind its own calling
 * sequence. */
static inline uint32_t host_answer(uint32_t left, uint32_t right) { return left * 3 + right; }
#endif
