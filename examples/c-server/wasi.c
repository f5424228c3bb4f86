/* wasi.c: a WASI program as a guest: standard input is the request's body, standard output the response's,
 * standard error the log. There are no arguments, no environment, no files. A program that imports anything
 * else is refused when it is loaded. (The library has a stub of its own, lucet_linker_define_wasi_stub, which
 * prints into the region's log; a server wants the output in the response.)
 *
 * Invariant: as in host.c, a bad pointer is a trap and not an error number. */
#include "wasi.h"

#include <string.h>
#include <time.h>

#include "exchange.h"
#include "host.h"
#include "memory.h"

/* Error numbers of wasi_snapshot_preview1. */
enum { OK = 0, BAD_DESCRIPTOR = 8, INVALID = 28, IO = 29, SEEK_ON_PIPE = 70 };
enum { MAX_PIECES = 1024, MAX_RANDOM = 65536, CHARACTER_DEVICE = 2 };

static uint32_t load32(const char *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value); /* both sides are little-endian */
  return value;
}

static int32_t store32(lucet_call *call, uint32_t address, uint32_t value) {
  char *out = host_output(call, address, sizeof value);
  if (out) memcpy(out, &value, sizeof value);
  return OK;
}

static int32_t fd_write(lucet_call *call, int32_t fd, uint32_t pieces, uint32_t count, uint32_t written) {
  struct exchange *exchange = lucet_call_instance_data(call);
  uint32_t total = 0;
  if (fd != 1 && fd != 2) return BAD_DESCRIPTOR;
  if (count > MAX_PIECES) return INVALID;
  const char *list = host_input(call, pieces, 8ull * count);
  for (uint32_t i = 0; list && i < count; i++) {
    uint32_t length = load32(list + 8 * i + 4);
    const char *bytes = host_input(call, load32(list + 8 * i), length);
    if (!bytes) return IO;
    if (length > UINT32_MAX - total) return INVALID;
    if (fd == 1 && !host_write_body(exchange, bytes, length)) return IO;
    size_t line = length > 0 && bytes[length - 1] == '\n' ? length - 1 : length;
    if (fd == 2 && line > 0) host_log(exchange, "stderr", bytes, line); /* what is too much is dropped */
    total += length;
  }
  return store32(call, written, total);
}

static int32_t fd_read(lucet_call *call, int32_t fd, uint32_t pieces, uint32_t count, uint32_t got) {
  struct exchange *exchange = lucet_call_instance_data(call);
  size_t total = 0;
  if (fd != 0) return BAD_DESCRIPTOR;
  if (count > MAX_PIECES) return INVALID;
  const char *list = host_input(call, pieces, 8ull * count);
  for (uint32_t i = 0; list && i < count; i++) {
    uint32_t room = load32(list + 8 * i + 4);
    char *out = host_output(call, load32(list + 8 * i), room);
    if (!out) return IO;
    size_t left = exchange->body.length - exchange->body_read, length = left < room ? left : room;
    if (length > 0) memcpy(out, exchange->body.data + exchange->body_read, length);
    exchange->body_read += length;
    total += length;
  }
  return store32(call, got, (uint32_t)total); /* a body is shorter than 4 GiB, see config.c */
}

static int32_t fd_fdstat_get(lucet_call *call, int32_t fd, uint32_t address) {
  if (fd < 0 || fd > 2) return BAD_DESCRIPTOR;
  char *out = host_output(call, address, 24);
  if (!out) return IO;
  memset(out, 0, 24);
  out[0] = CHARACTER_DEVICE;
  return OK;
}

static int32_t fd_close(lucet_call *call, int32_t fd) {
  return (void)call, fd < 0 || fd > 2 ? BAD_DESCRIPTOR : OK;
}
static int32_t fd_prestat_get(lucet_call *call, int32_t fd, uint32_t out) {
  return (void)call, (void)fd, (void)out, BAD_DESCRIPTOR; /* no directory is open */
}
static int32_t fd_prestat_dir_name(lucet_call *call, int32_t fd, uint32_t path, uint32_t length) {
  return (void)call, (void)fd, (void)path, (void)length, BAD_DESCRIPTOR;
}
static int32_t fd_seek(lucet_call *call, int32_t fd, int64_t offset, int32_t whence, uint32_t position) {
  return (void)call, (void)offset, (void)whence, (void)position,
         fd < 0 || fd > 2 ? BAD_DESCRIPTOR : SEEK_ON_PIPE;
}

/* Arguments and environment are empty lists of 0 bytes. */
static int32_t no_sizes(lucet_call *call, uint32_t count, uint32_t bytes) {
  store32(call, count, 0);
  return store32(call, bytes, 0);
}
static int32_t no_strings(lucet_call *call, uint32_t list, uint32_t bytes) {
  return (void)call, (void)list, (void)bytes, OK;
}

static int32_t clock_time_get(lucet_call *call, int32_t id, uint64_t precision, uint32_t address) {
  struct timespec now;
  (void)precision;
  if (id != 0 && id != 1) return INVALID;
  char *out = host_output(call, address, 8);
  if (!out) return IO;
  clock_gettime(id == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
  uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  memcpy(out, &ns, sizeof ns);
  return OK;
}

static int32_t random_get(lucet_call *call, uint32_t address, uint32_t length) {
  char *out = host_output(call, address, length);
  if (!out) return IO;
  if (length > MAX_RANDOM) return INVALID;
  host_random(out, length);
  return OK;
}

/* Does not return to the guest. The reason is the exit status: serve.c looks at it. */
static void proc_exit(lucet_call *call, int32_t status) { lucet_call_terminate(call, (uint32_t)status); }

static const lucet_host_function functions[] = {
    LUCET_HOST("args_get", no_strings, int32_t, uint32_t, uint32_t),
    LUCET_HOST("args_sizes_get", no_sizes, int32_t, uint32_t, uint32_t),
    LUCET_HOST("environ_get", no_strings, int32_t, uint32_t, uint32_t),
    LUCET_HOST("environ_sizes_get", no_sizes, int32_t, uint32_t, uint32_t),
    LUCET_HOST("clock_time_get", clock_time_get, int32_t, int32_t, uint64_t, uint32_t),
    LUCET_HOST("fd_close", fd_close, int32_t, int32_t),
    LUCET_HOST("fd_fdstat_get", fd_fdstat_get, int32_t, int32_t, uint32_t),
    LUCET_HOST("fd_prestat_dir_name", fd_prestat_dir_name, int32_t, int32_t, uint32_t, uint32_t),
    LUCET_HOST("fd_prestat_get", fd_prestat_get, int32_t, int32_t, uint32_t),
    LUCET_HOST("fd_read", fd_read, int32_t, int32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("fd_seek", fd_seek, int32_t, int32_t, int64_t, int32_t, uint32_t),
    LUCET_HOST("fd_write", fd_write, int32_t, int32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("proc_exit", proc_exit, void, int32_t),
    LUCET_HOST("random_get", random_get, int32_t, uint32_t, uint32_t),
};

lucet_status wasi_define(lucet_linker *linker) {
  return lucet_linker_define(linker, "wasi_snapshot_preview1", functions,
                             sizeof functions / sizeof functions[0], NULL);
}
