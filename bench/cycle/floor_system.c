/* floor_system.c: system calls that an engine needs, and nothing else: the same bytes read, written to a file
 * in memory, sealed, mapped and unmapped, and looked at by nobody, as for a sealed copy; a file mapped in one
 * piece and unmapped; 64 KiB of memory made accessible, written to, and given back. */
#define _GNU_SOURCE
#include "floor_system.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 << 10, PAGE = 64 << 10 };

static size_t copy(int from, int to) {
  static char piece[PIECE];
  size_t length = 0;
  for (ssize_t count; (count = read(from, piece, sizeof piece)) > 0; length += (size_t)count)
    if (write(to, piece, (size_t)count) != count) bench_fail("no memory for a copy");
  return length;
}

/* Maps a file and unmaps it. */
static void map(int file, size_t length, const char *path) {
  void *mapped = mmap(NULL, length, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  if (mapped == MAP_FAILED || munmap(mapped, length)) bench_fail("%s: cannot be mapped", path);
}

static void map_copy(int from, const char *path) {
  int to = memfd_create("floor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (to < 0) bench_fail("%s: cannot be copied", path);
  size_t length = copy(from, to);
  if (fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
    bench_fail("no seals");
  map(to, length, path);
  close(to);
}

static void map_in_place(int from, const char *path) {
  static char start[4096];
  struct stat status;
  if (fstat(from, &status) || pread(from, start, sizeof start, 0) <= 0)
    bench_fail("%s: cannot be read", path);
  map(from, (size_t)status.st_size, path);
}

uint64_t floor_mapped(uint64_t copied, void *path, uint64_t count) {
  for (uint64_t left = count; left; left--) {
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) bench_fail("%s: cannot be opened", (const char *)path);
    (copied ? map_copy : map_in_place)(from, path);
    close(from);
  }
  return count;
}

uint64_t floor_grown(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  static char *memory;
  if (!memory) memory = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (uint64_t left = count; left; left--) {
    char *page = memory + PAGE;
    bool grown = memory != MAP_FAILED && !mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    if (grown) *(volatile char *)page = 1;
    if (!grown || madvise(page, PAGE, MADV_DONTNEED) || mprotect(page, PAGE, PROT_NONE))
      bench_fail("no memory");
  }
  return argument * count;
}
