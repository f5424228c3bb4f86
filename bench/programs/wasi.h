/* wasi.h: the part of wasi_snapshot_preview1 that the programs of tests/programs use, once for all engines:
 * standard input from a buffer, a hash of standard output, standard error to the host's, a clock and random
 * bytes that are the same in every run.
 *
 * Invariants: the functions know the guest's memory by `memory` and `length` alone, which the engine sets
 * before each call; what a guest passes is checked against them, and a range that does not fit is answered
 * with EFAULT. Not here: proc_exit, which is the engine's business, and files. */
#ifndef PROGRAMS_BENCH_WASI_H
#define PROGRAMS_BENCH_WASI_H
#include <stddef.h>
#include <stdint.h>

struct wasi {
  uint8_t *memory;
  uint64_t length;
  const char *input;
  size_t input_length, read;
  uint64_t output; /* the hash of what has been written to standard output */
  uint64_t clock;
  uint32_t random;
};

/* As it is before the guest starts. */
struct wasi wasi_start(const char *input, size_t input_length);
/* What a program is compared by: the hash of what it has written, and its exit status. */
uint64_t wasi_answer(uint64_t output, uint64_t status);
/* The hash of more bytes, behind those that `hash` is of; the first is HASH_OF_NOTHING. */
uint64_t wasi_hash(uint64_t hash, const void *bytes, size_t length);
#define HASH_OF_NOTHING 0xcbf29ce484222325u

/* The functions; each answers an error number of WASI. */
uint32_t wasi_clock_time_get(struct wasi *wasi, uint32_t id, uint64_t precision, uint32_t address);
uint32_t wasi_fd_close(struct wasi *wasi, uint32_t fd);
uint32_t wasi_fd_fdstat_get(struct wasi *wasi, uint32_t fd, uint32_t address);
uint32_t wasi_fd_prestat_get(struct wasi *wasi, uint32_t fd, uint32_t address);
uint32_t wasi_fd_read(struct wasi *wasi, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t got);
uint32_t wasi_fd_seek(struct wasi *wasi, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t position);
uint32_t wasi_fd_write(struct wasi *wasi, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t written);
uint32_t wasi_random_get(struct wasi *wasi, uint32_t address, uint32_t length);
#endif
