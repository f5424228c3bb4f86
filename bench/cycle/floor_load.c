/* floor_load.c: what loading a module from a sealed copy cannot be faster than: the same bytes read, written to a file in
 * memory, sealed, mapped and unmapped, and looked at by nobody. */
#define _GNU_SOURCE
#include "floor_load.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 64 << 10 };

static size_t copy(int from, int to) {
  static char piece[PIECE];
  size_t length = 0;
  for (ssize_t count; (count = read(from, piece, sizeof piece)) > 0; length += (size_t)count)
    if (write(to, piece, (size_t)count) != count) bench_fail("no memory for a copy");
  return length;
}

static void copy_file(const char *path) {
  int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("floor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (from < 0 || to < 0) bench_fail("%s: cannot be copied", path);
  size_t length = copy(from, to);
  if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)) bench_fail("no seals");
  void *mapped = mmap(NULL, length, PROT_READ | PROT_EXEC, MAP_PRIVATE, to, 0);
  if (mapped == MAP_FAILED || munmap(mapped, length)) bench_fail("%s: cannot be mapped", path);
  close(from);
  close(to);
}

uint64_t floor_sealed_copy(uint64_t argument, void *path, uint64_t count) {
  (void)argument;
  for (uint64_t left = count; left; left--)
    copy_file(path);
  return count;
}
