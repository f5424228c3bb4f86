/* wasi.h: what the programs of this directory need of a system: standard input from a buffer, standard output
 * and error to the host's, a clock and random bytes that are the same in every run. The rest is the library's
 * WASI stub. */
#ifndef PROGRAMS_WASI_H
#define PROGRAMS_WASI_H

#include <lucet.h>

/* The guest's data, which lucet_instance_new is given. */
struct machine {
  const char *input;
  size_t length, read;
  uint64_t clock;
  uint32_t random;
};

/* Defines the functions, then the stub for all others. */
lucet_status wasi_define(lucet_linker *linker);

#endif
