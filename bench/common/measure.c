/* measure.c: see measure.h. The samples of a case are means over one batch; a batch is long against the
 * clock's resolution and short against the machine's disturbances. */
#define _GNU_SOURCE
#include "measure.h"
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void bench_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

void *bench_read(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) bench_fail("cannot open %s", path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  void *bytes = malloc((size_t)size + 1);
  if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size) bench_fail("cannot read %s", path);
  fclose(file);
  *length = (size_t)size;
  return bytes;
}

bool bench_wanted(const char *row, const char *only) { return !only || !strncmp(row, only, strlen(only)); }

void bench_pin(unsigned position) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all)) return;
  unsigned wanted = position % (unsigned)CPU_COUNT(&all);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all) || wanted--) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one); /* only a precaution: the figures are valid without */
    return;
  }
}

void bench_add(struct bench_list *list, const char *row, const char *engine, bench_work work,
               uint64_t argument, void *context, double units) {
  if (list->length == sizeof list->cases / sizeof *list->cases) bench_fail("too many cases");
  list->cases[list->length++] = (struct bench_case){
      .row = row, .engine = engine, .work = work, .argument = argument, .context = context, .units = units};
}

static void select_cases(struct bench_list *list, const char *only) {
  size_t kept = 0;
  for (size_t i = 0; i < list->length; i++)
    if (bench_wanted(list->cases[i].row, only)) list->cases[kept++] = list->cases[i];
  list->length = kept;
}

/* Runs a case once; its answer must be that of the others in its row, which come before it in the list. */
static void check_answer(const struct bench_list *list, struct bench_case *one) {
  one->answer = one->work(one->argument, one->context, 1);
  for (const struct bench_case *other = list->cases; other < one; other++)
    if (!strcmp(other->row, one->row) && other->answer != one->answer)
      bench_fail("%s: %s answers %llu, %s answered %llu", one->row, one->engine,
                 (unsigned long long)one->answer, other->engine, (unsigned long long)other->answer);
}

/* How often to repeat in one batch. */
static void calibrate(struct bench_case *one, double batch_ns) {
  double took = 0;
  one->count = 1;
  if (batch_ns <= 0) return;
  for (one->count = 1; one->count < (1u << 30); one->count *= 2) {
    double start = bench_now();
    if (one->work(one->argument, one->context, one->count) != one->answer * one->count)
      bench_fail("%s: %s answers differently when repeated", one->row, one->engine);
    took = bench_now() - start;
    if (took > batch_ns / 4) break;
  }
  double fitting = (double)one->count * batch_ns / took;
  one->count = fitting < 1 ? 1 : (uint64_t)fitting;
}

static void prepare(struct bench_list *list, const struct bench_plan *plan) {
  for (struct bench_case *one = list->cases; one < list->cases + list->length; one++) {
    check_answer(list, one);
    calibrate(one, plan->batch_ns);
    one->rounds = plan->rounds;
    one->samples = calloc(plan->rounds, sizeof *one->samples);
    if (!one->samples) bench_fail("no memory");
  }
}

static int ascending(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static void time_once(struct bench_case *one, unsigned round) {
  double start = bench_now();
  uint64_t sum = one->work(one->argument, one->context, one->count);
  double each = (bench_now() - start) / ((double)one->count * one->units);
  if (sum != one->answer * one->count) bench_fail("%s: %s answered differently", one->row, one->engine);
  one->samples[round] = each;
  double *half = round < one->rounds / 2 ? &one->first_half : &one->second_half;
  if (*half == 0 || each < *half) *half = each;
}

/* Some rounds of the row that begins at `first`, its cases in turns, another one first each time. */
static void time_row(struct bench_list *list, size_t first, unsigned from, unsigned to) {
  size_t places[sizeof list->cases / sizeof *list->cases], count = 0;
  for (size_t i = first; i < list->length; i++)
    if (!strcmp(list->cases[i].row, list->cases[first].row)) places[count++] = i;
  for (unsigned round = from; round < to; round++)
    for (size_t i = 0; i < count; i++)
      time_once(&list->cases[places[(i + round) % count]], round);
}

static bool begins_row(const struct bench_list *list, size_t place) {
  for (size_t i = 0; i < place; i++)
    if (!strcmp(list->cases[i].row, list->cases[place].row)) return false;
  return true;
}

/* The rows come by several times, so that a disturbance does not have all of a row. */
enum { PASSES = 4 };

void bench_measure(struct bench_list *list, const struct bench_plan *plan) {
  select_cases(list, plan->only);
  prepare(list, plan);
  for (unsigned pass = 0; pass < PASSES; pass++)
    for (size_t i = 0; i < list->length; i++)
      if (begins_row(list, i))
        time_row(list, i, plan->rounds * pass / PASSES, plan->rounds * (pass + 1) / PASSES);
  for (size_t i = 0; i < list->length; i++)
    qsort(list->cases[i].samples, plan->rounds, sizeof(double), ascending);
}

static void write_case(const struct bench_case *one, FILE *out) {
  unsigned rounds = one->rounds;
  double halves = one->first_half / one->second_half;
  fprintf(out, "\"%s\": {\"min\": %.4f, \"p10\": %.4f, \"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, ",
          one->engine, one->samples[0], one->samples[rounds / 10], one->samples[rounds / 2],
          one->samples[rounds * 9 / 10], one->samples[rounds * 99 / 100]);
  fprintf(out, "\"halves\": %.4f}", halves < 1 ? 1 / halves : halves);
}

void bench_write(const struct bench_list *list, FILE *out) {
  const char *separator = "";
  fputs("{", out);
  for (size_t i = 0; i < list->length; i++) {
    bool seen = false;
    for (size_t j = 0; j < i; j++)
      seen = seen || !strcmp(list->cases[j].row, list->cases[i].row);
    if (seen) continue;
    fprintf(out, "%s\n  \"%s\": {", separator, list->cases[i].row);
    separator = ",";
    for (size_t j = i, first = 1; j < list->length; j++) {
      if (strcmp(list->cases[j].row, list->cases[i].row)) continue;
      fputs(first ? "" : ", ", out);
      write_case(&list->cases[j], out);
      first = 0;
    }
    fputs("}", out);
  }
  fputs("\n}", out);
}
