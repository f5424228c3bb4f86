/* measure.h: how everything in bench/ is timed. A case is one engine doing one row's work; all cases of a row
 * are timed in turn, round after round, so that what disturbs the machine disturbs all of them; what counts
 * is the minimum, with percentiles to judge it by.
 *
 * Invariants: the work answers `count` times the same number, whatever the engine; a case whose sum is
 * another ends the program, since the time of a wrong result says nothing.
 *
 * Not here: what is measured, and any engine. */
#ifndef MEASURE_H
#define MEASURE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Does the work `count` times and answers the sum of the results. */
typedef uint64_t (*bench_work)(uint64_t argument, void *context, uint64_t count);

struct bench_case {
  const char *row;
  const char *engine;
  bench_work work;
  uint64_t argument;
  void *context;
  /* How many units one execution counts for: a guest that calls the host 1000 times counts for 1000. */
  double units;
  /* Filled in by measure(). */
  uint64_t count, answer;
  unsigned rounds;
  double *samples;                /* nanoseconds for a unit, one a round; sorted at the end */
  double first_half, second_half; /* the minima */
};

struct bench_plan {
  unsigned rounds;
  double batch_ns;  /* about how long one batch of one case takes; 0: it is one execution */
  const char *only; /* if not NULL: only rows whose name starts with this */
};

struct bench_list {
  struct bench_case cases[192];
  size_t length;
};

/* Adds a case. */
void bench_add(struct bench_list *list, const char *row, const char *engine, bench_work work,
               uint64_t argument, void *context, double units);
/* Times all cases that the plan selects; those not selected are removed from the list. */
void bench_measure(struct bench_list *list, const struct bench_plan *plan);
/* Writes {"row": {"engine": {"min": , "p50": , ...}}}. */
void bench_write(const struct bench_list *list, FILE *out);

double bench_now(void); /* nanoseconds */
/* Prints the message and ends the program. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A whole file; ends the program when it cannot be read. */
void *bench_read(const char *path, size_t *length);
/* Says whether a row is wanted. */
bool bench_wanted(const char *row, const char *only);
/* Pins the calling thread to one of the CPUs that the process may use, by its position among them. */
void bench_pin(unsigned position);
#endif
