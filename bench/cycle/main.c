/* main.c: runs bench/cycle and prints its raw figures as JSON: times of all rows, memory of idle instances,
 * and how cycles scale over two threads.
 *
 *   cycle DIRECTORY [--only PREFIX] [--rounds N] [--batch-us N]
 *
 * Not here: the report, which report.py makes from this. */
#define _GNU_SOURCE
#include "compile.h"
#include "engine.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* wasm2c first: see engine_wasm2c.c. */
static const struct engine *const engines[] = {&engine_wasm2c, &engine_lucet, &engine_wasmtime_0,
                                               &engine_wasmtime_64k, &engine_wasmtime_1m};
enum { ENGINES = sizeof engines / sizeof *engines };

/* ---- memory of idle instances ---- */

/* Bytes in memory, and page tables; the second is how many mappings there are. A page that many mappings
 * share, as those of a module's image are, is one page: Pss, not Rss. */
static double resident(unsigned *mappings) {
  char line[256];
  unsigned long value;
  double total = 0;
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "Pss: %lu kB", &value) == 1) total += (double)value * 1024;
  if (file) fclose(file);
  file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmPTE: %lu kB", &value) == 1) total += (double)value * 1024;
  if (file) fclose(file);
  *mappings = 0;
  file = fopen("/proc/self/maps", "r");
  for (int byte; file && (byte = getc(file)) != EOF;)
    *mappings += byte == '\n';
  if (file) fclose(file);
  return total;
}

static void measure_idle(const struct engine *engine, const char *directory) {
  const unsigned more = engine->idle_instances;
  unsigned before, after, unused;
  engine->open(engine, directory, more + IDLE_WARM + 1);
  double empty = resident(&unused);
  engine->idle(engine, IDLE_WARM, false);
  double start = resident(&before), began = bench_now();
  engine->idle(engine, more, false);
  double took = bench_now() - began, live = resident(&after);
  engine->idle(engine, 0, true);
  double released = resident(&unused);
  printf("\"%s\": {\"instances\": %u, \"live\": %.0f, \"mappings\": %.2f, \"cold_us\": %.3f, \"released\": "
         "%.0f}",
         engine->name, more, (live - start) / more, ((double)after - before) / more, took / more * 1e-3,
         (released - empty) / (IDLE_WARM + more));
}

/* Each engine in a process of its own, before anything else has been opened. */
static void print_idle(const char *directory) {
  printf("\"idle\": {");
  for (size_t i = 0; i <= ENGINES; i++) {
    const struct engine *engine = i < ENGINES ? engines[i] : &engine_lucet_compact;
    printf("%s", i ? ",\n  " : "\n  ");
    fflush(stdout);
    pid_t child = fork();
    int status = 0;
    if (!child) {
      measure_idle(engine, directory);
      fflush(stdout);
      _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || status) bench_fail("idle: %s failed", engine->name);
  }
  printf("\n},\n");
}

/* ---- threads ---- */

enum { THREAD_PAGES = 16, THREAD_ROUNDS = 20 };

struct worker {
  bench_work work;
  void *context;
  uint64_t count;
  unsigned position;
  pthread_barrier_t *barrier;
  double took;
};

static void *run_worker(void *data) {
  struct worker *self = data;
  bench_pin(self->position);
  (void)self->work(THREAD_PAGES, self->context, 64); /* warm */
  pthread_barrier_wait(self->barrier);
  double start = bench_now();
  volatile uint64_t sum = self->work(THREAD_PAGES, self->context, self->count);
  (void)sum;
  self->took = bench_now() - start;
  return NULL;
}

/* Cycles per second over so many threads, each pinned to a CPU. */
static double throughput(bench_work work, void *context, unsigned threads, uint64_t count) {
  pthread_barrier_t barrier;
  pthread_t handles[2];
  struct worker workers[2];
  double rate = 0;
  pthread_barrier_init(&barrier, NULL, threads);
  for (unsigned i = 0; i < threads; i++) {
    workers[i] = (struct worker){work, context, count, i, &barrier, 0};
    if (pthread_create(&handles[i], NULL, run_worker, &workers[i])) bench_fail("no thread");
  }
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(handles[i], NULL);
    rate += (double)count / workers[i].took * 1e9;
  }
  pthread_barrier_destroy(&barrier);
  return rate;
}

/* The best rate of each half of the rounds, over one thread and over two. */
struct rates {
  double one[2], two[2];
};

static double better(double left, double right) { return left > right ? left : right; }
static double apart(const double halves[2]) { return better(halves[0] / halves[1], halves[1] / halves[0]); }

static void print_scaling(const char *name, bench_work work, void *context, const char *separator) {
  struct rates best = {{0, 0}, {0, 0}};
  double start = bench_now();
  (void)work(THREAD_PAGES, context, 512);
  uint64_t count = (uint64_t)(512 * 20e6 / (bench_now() - start)) + 1;
  for (unsigned round = 0; round < THREAD_ROUNDS; round++) {
    unsigned half = round >= THREAD_ROUNDS / 2;
    best.one[half] = better(best.one[half], throughput(work, context, 1, count));
    best.two[half] = better(best.two[half], throughput(work, context, 2, count));
  }
  double one = better(best.one[0], best.one[1]), two = better(best.two[0], best.two[1]);
  printf("%s\n  \"%s\": {\"one\": %.0f, \"two\": %.0f, \"scaling\": %.4f, \"halves\": %.4f}", separator, name,
         one, two, two / one, better(apart(best.one), apart(best.two)));
}

static void print_threads(void) {
  printf("\"threads\": {");
  print_scaling("memcpy", floor_memcpy, NULL, "");
  for (size_t i = 0; i < ENGINES; i++)
    print_scaling(engines[i]->name, engines[i]->cycle, engines[i]->context, ",");
  printf("\n},\n");
}

int main(int count, char **words) {
  struct bench_plan plan = {.rounds = 200, .batch_ns = 400e3};
  static struct bench_list list;
  if (count < 2) bench_fail("usage: cycle DIRECTORY [--only PREFIX] [--rounds N] [--batch-us N]");
  for (int i = 2; i + 1 < count; i += 2) {
    if (!strcmp(words[i], "--only"))
      plan.only = words[i + 1];
    else if (!strcmp(words[i], "--rounds"))
      plan.rounds = (unsigned)strtoul(words[i + 1], NULL, 10);
    else if (!strcmp(words[i], "--batch-us"))
      plan.batch_ns = strtod(words[i + 1], NULL) * 1e3;
    else
      bench_fail("what is %s?", words[i]);
  }
  if (plan.rounds < 4) bench_fail("at least four rounds");
  printf("{");
  /* These two work with processes of their own, which must start small. */
  if (bench_wanted("compile", plan.only)) print_compile(words[1]);
  if (bench_wanted("idle", plan.only)) print_idle(words[1]);
  for (size_t i = 0; i < ENGINES; i++) {
    engines[i]->open(engines[i], words[1], 2 * SLOTS);
    engines[i]->add(engines[i], &list);
  }
  floor_add(&list, words[1]);
  if (bench_wanted("threads", plan.only)) print_threads();
  bench_pin(1);
  bench_measure(&list, &plan);
  printf("\"rows\": ");
  bench_write(&list, stdout);
  printf("}\n");
  return 0;
}
