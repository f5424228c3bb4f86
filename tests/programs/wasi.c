/* wasi.c: see wasi.h. A bad pointer from the guest is a trap. */
#include "wasi.h"

#include <stdio.h>
#include <string.h>

/* Error numbers and file types of wasi_snapshot_preview1. */
enum { OK = 0, BAD_DESCRIPTOR = 8, SEEK_ON_PIPE = 70, REGULAR_FILE = 4 };

static const char *input(lucet_call *call, uint64_t address, uint64_t length) {
  const uint8_t *data;
  if (lucet_instance_view(lucet_call_instance(call), 0, address, length, &data) == LUCET_OK)
    return (const char *)data;
  lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return NULL;
}

static char *output(lucet_call *call, uint64_t address, uint64_t length) {
  uint8_t *data;
  if (lucet_instance_view_mut(lucet_call_instance(call), 0, address, length, &data) == LUCET_OK)
    return (char *)data;
  lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return NULL;
}

static int32_t store(lucet_call *call, uint32_t address, const void *bytes, size_t length) {
  char *out = output(call, address, length);
  if (out) memcpy(out, bytes, length);
  return OK;
}

static uint32_t word(const char *list, uint32_t index) {
  uint32_t value;
  memcpy(&value, list + 4 * (size_t)index, sizeof value); /* both sides are little-endian */
  return value;
}

static int32_t fd_write(lucet_call *call, int32_t fd, uint32_t pieces, uint32_t count, uint32_t written) {
  uint32_t total = 0;
  if (fd != 1 && fd != 2) return BAD_DESCRIPTOR;
  const char *list = input(call, pieces, 8ull * count);
  for (uint32_t i = 0; list && i < count; i++) {
    uint32_t length = word(list, 2 * i + 1);
    const char *bytes = input(call, word(list, 2 * i), length);
    if (!bytes) return OK;
    fwrite(bytes, 1, length, fd == 1 ? stdout : stderr);
    total += length;
  }
  return store(call, written, &total, sizeof total);
}

static int32_t fd_read(lucet_call *call, int32_t fd, uint32_t pieces, uint32_t count, uint32_t got) {
  struct machine *machine = lucet_call_instance_data(call);
  uint32_t total = 0;
  if (fd != 0) return BAD_DESCRIPTOR;
  const char *list = input(call, pieces, 8ull * count);
  for (uint32_t i = 0; list && i < count; i++) {
    uint32_t room = word(list, 2 * i + 1);
    size_t left = machine->length - machine->read;
    uint32_t length = left < room ? (uint32_t)left : room;
    char *out = output(call, word(list, 2 * i), length);
    if (!out) return OK;
    memcpy(out, machine->input + machine->read, length);
    machine->read += length;
    total += length;
  }
  return store(call, got, &total, sizeof total);
}

static int32_t fd_fdstat_get(lucet_call *call, int32_t fd, uint32_t address) {
  char stat[24] = {REGULAR_FILE};
  if (fd < 0 || fd > 2) return BAD_DESCRIPTOR;
  memset(stat + 8, 0xff, 16); /* all rights */
  return store(call, address, stat, sizeof stat);
}

static int32_t fd_close(lucet_call *call, int32_t fd) {
  return (void)call, fd < 0 || fd > 2 ? BAD_DESCRIPTOR : OK;
}
static int32_t fd_prestat_get(lucet_call *call, int32_t fd, uint32_t out) {
  return (void)call, (void)fd, (void)out, BAD_DESCRIPTOR; /* there are no directories */
}
static int32_t fd_seek(lucet_call *call, int32_t fd, int64_t offset, int32_t whence, uint32_t position) {
  return (void)call, (void)offset, (void)whence, (void)position,
         fd < 0 || fd > 2 ? BAD_DESCRIPTOR : SEEK_ON_PIPE;
}

/* A millisecond passes between any two looks. */
static int32_t clock_time_get(lucet_call *call, int32_t id, uint64_t precision, uint32_t address) {
  struct machine *machine = lucet_call_instance_data(call);
  (void)id, (void)precision;
  machine->clock += 1000000;
  return store(call, address, &machine->clock, sizeof machine->clock);
}

static int32_t random_get(lucet_call *call, uint32_t address, uint32_t length) {
  struct machine *machine = lucet_call_instance_data(call);
  char *out = output(call, address, length);
  for (uint32_t i = 0; out && i < length; i++) {
    machine->random = machine->random * 1103515245u + 12345u;
    out[i] = (char)(machine->random >> 16);
  }
  return OK;
}

static const lucet_host_function functions[] = {
    LUCET_HOST("clock_time_get", clock_time_get, int32_t, int32_t, uint64_t, uint32_t),
    LUCET_HOST("fd_close", fd_close, int32_t, int32_t),
    LUCET_HOST("fd_fdstat_get", fd_fdstat_get, int32_t, int32_t, uint32_t),
    LUCET_HOST("fd_prestat_get", fd_prestat_get, int32_t, int32_t, uint32_t),
    LUCET_HOST("fd_read", fd_read, int32_t, int32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("fd_seek", fd_seek, int32_t, int32_t, int64_t, int32_t, uint32_t),
    LUCET_HOST("fd_write", fd_write, int32_t, int32_t, uint32_t, uint32_t, uint32_t),
    LUCET_HOST("random_get", random_get, int32_t, uint32_t, uint32_t),
};

lucet_status wasi_define(lucet_linker *linker) {
  lucet_status status = lucet_linker_define(linker, "wasi_snapshot_preview1", functions,
                                            sizeof functions / sizeof functions[0], NULL);
  return status == LUCET_OK ? lucet_linker_define_wasi_stub(linker, NULL) : status;
}
