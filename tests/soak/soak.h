/* soak.h: what the modes of the soak test share: the time that is left, what the process holds, and the
 * verdict.
 *
 * A mode is a program, tests/soak/NAME.c: `NAME SECONDS GUESTS`. It works for so long, calls soak_begin()
 * when it has made everything that it keeps, and soak_end() at last. What the process holds must be the same
 * then. Its last line says how many cycles it made and what it held. run.sh finds modes by itself. */
#ifndef SOAK_H
#define SOAK_H
#include <lucet.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOAK_NEED(condition)                                                                                 \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      printf("%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition, lucet_last_error());    \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)
#define SOAK_OK(call) SOAK_NEED((call) == LUCET_OK)

struct soak_holdings {
  long resident_kib; /* in memory, and nobody else's: pages of files come and go */
  long tables_kib;   /* the kernel's page tables */
  long mappings;
  long descriptors;
};

struct soak {
  const char *mode, *guests;
  double seconds, started, begun;
  uint64_t cycles_before;
  struct soak_holdings first;
};

static inline double soak_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline long soak_line(const char *path, const char *name) {
  char line[256];
  long value = -1;
  FILE *file = fopen(path, "r");
  SOAK_NEED(file != NULL);
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, name, strlen(name))) value = atol(line + strlen(name));
  fclose(file);
  return value;
}

static inline struct soak_holdings soak_look(void) {
  struct soak_holdings held = {soak_line("/proc/self/smaps_rollup", "Anonymous:"),
                               soak_line("/proc/self/status", "VmPTE:"), 0, 0};
  FILE *file = fopen("/proc/self/maps", "r");
  DIR *directory = opendir("/proc/self/fd");
  SOAK_NEED(file != NULL && directory != NULL);
  for (int letter = getc(file); letter != EOF; letter = getc(file))
    held.mappings += letter == '\n';
  fclose(file);
  while (readdir(directory))
    held.descriptors++;
  closedir(directory);
  held.descriptors -= 3; /* ".", "..", and the directory itself */
  return held;
}

static inline struct soak soak_start(int argc, char **argv) {
  struct soak soak;
  memset(&soak, 0, sizeof soak);
  SOAK_NEED(argc == 3);
  soak.mode = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
  soak.seconds = atof(argv[1]);
  soak.guests = argv[2];
  soak.started = soak_now();
  SOAK_OK(lucet_signals_install(0));
  return soak;
}

/* True until a tenth of the time is over: until then everything is made that a mode keeps. */
static inline int soak_warms(const struct soak *soak) {
  return soak_now() < soak->started + soak->seconds / 10;
}
static inline int soak_goes_on(const struct soak *soak) { return soak_now() < soak->started + soak->seconds; }

static inline void soak_begin(struct soak *soak, uint64_t cycles) {
  soak_look(); /* looking takes memory, the first time */
  soak->first = soak_look();
  soak->cycles_before = cycles;
  soak->begun = soak_now();
}

/* Says what was done and held; the exit status. `spare_kib` is what may come and go, of the C library's for
 * example, and `spare_mappings` how many of those. */
static inline int soak_end(const struct soak *soak, uint64_t cycles, long spare_kib, long spare_mappings) {
  struct soak_holdings first = soak->first, last = soak_look();
  double seconds = soak_now() - soak->begun;
  uint64_t counted = cycles - soak->cycles_before;
  /* Under valgrind the process holds valgrind's memory, too. */
  int counts = getenv("SOAK_LEAKS_ONLY") == NULL;
  int good = !counts || (last.resident_kib <= first.resident_kib + spare_kib &&
                         last.tables_kib <= first.tables_kib + 64 &&
                         last.mappings <= first.mappings + spare_mappings &&
                         last.descriptors == first.descriptors && counted > 0);
  printf("%s: %s: %" PRIu64
         " cycles in %.0f s, %.3f us each; resident %ld KiB, at last %ld; page tables %ld KiB, %ld; "
         "mappings %ld, %ld; descriptors %ld, %ld\n",
         soak->mode, good ? "constant" : "NOT CONSTANT", cycles, soak_now() - soak->started,
         seconds * 1e6 / (double)counted, first.resident_kib, last.resident_kib, first.tables_kib,
         last.tables_kib, first.mappings, last.mappings, first.descriptors, last.descriptors);
  return good ? 0 : 1;
}

static inline lucet_module *soak_module(const struct soak *soak, const char *name, lucet_linker *linker) {
  char path[4096];
  lucet_module *module = NULL;
  lucet_linker *own = NULL;
  snprintf(path, sizeof path, "%s/%s.so", soak->guests, name);
  if (!linker) SOAK_OK(lucet_linker_new(&own));
  SOAK_OK(lucet_module_load_file(path, linker ? linker : own, NULL, &module));
  lucet_linker_release(own);
  return module;
}

/* A small generator, so that failures repeat. */
static inline uint32_t soak_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 33);
}
#endif
