/* wasi.c: see wasi.h. tests/programs/wasi.c does the same for Lucet alone, with standard output in place of
 * the hash. */
#include "wasi.h"

#include <stdio.h>
#include <string.h>

/* Error numbers and file types of wasi_snapshot_preview1. */
enum { OK = 0, BAD_DESCRIPTOR = 8, FAULT = 21, SEEK_ON_PIPE = 70, REGULAR_FILE = 4 };

struct wasi wasi_start(const char *input, size_t input_length) {
  return (struct wasi){.input = input,
                       .input_length = input_length,
                       .output = HASH_OF_NOTHING,
                       .clock = 1700000000000000000u,
                       .random = 1};
}

uint64_t wasi_hash(uint64_t hash, const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

uint64_t wasi_answer(uint64_t output, uint64_t status) { return wasi_hash(output, &status, sizeof status); }

/* A range of the guest's memory, or NULL. */
static uint8_t *range(const struct wasi *wasi, uint32_t address, uint64_t length) {
  return address <= wasi->length && length <= wasi->length - address ? wasi->memory + address : NULL;
}

static uint32_t store(const struct wasi *wasi, uint32_t address, const void *bytes, size_t length) {
  uint8_t *out = range(wasi, address, length);
  if (!out) return FAULT;
  memcpy(out, bytes, length);
  return OK;
}

static uint32_t word(const uint8_t *list, uint64_t index) {
  uint32_t value;
  memcpy(&value, list + 4 * index, sizeof value); /* both sides are little-endian */
  return value;
}

uint32_t wasi_fd_write(struct wasi *wasi, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t written) {
  uint32_t total = 0;
  if (fd != 1 && fd != 2) return BAD_DESCRIPTOR;
  const uint8_t *list = range(wasi, pieces, 8ull * count);
  if (!list) return FAULT;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t length = word(list, 2 * i + 1);
    const uint8_t *bytes = range(wasi, word(list, 2 * i), length);
    if (!bytes) return FAULT;
    if (fd == 1)
      wasi->output = wasi_hash(wasi->output, bytes, length);
    else
      fwrite(bytes, 1, length, stderr);
    total += length;
  }
  return store(wasi, written, &total, sizeof total);
}

uint32_t wasi_fd_read(struct wasi *wasi, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t got) {
  uint32_t total = 0;
  if (fd != 0) return BAD_DESCRIPTOR;
  const uint8_t *list = range(wasi, pieces, 8ull * count);
  if (!list) return FAULT;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t room = word(list, 2 * i + 1);
    size_t left = wasi->input_length - wasi->read;
    uint32_t length = left < room ? (uint32_t)left : room;
    uint8_t *out = range(wasi, word(list, 2 * i), length);
    if (!out) return FAULT;
    memcpy(out, wasi->input + wasi->read, length);
    wasi->read += length;
    total += length;
  }
  return store(wasi, got, &total, sizeof total);
}

uint32_t wasi_fd_fdstat_get(struct wasi *wasi, uint32_t fd, uint32_t address) {
  char stat[24] = {REGULAR_FILE};
  if (fd > 2) return BAD_DESCRIPTOR;
  memset(stat + 8, 0xff, 16); /* all rights */
  return store(wasi, address, stat, sizeof stat);
}

uint32_t wasi_fd_close(struct wasi *wasi, uint32_t fd) { return (void)wasi, fd > 2 ? BAD_DESCRIPTOR : OK; }

uint32_t wasi_fd_prestat_get(struct wasi *wasi, uint32_t fd, uint32_t address) {
  return (void)wasi, (void)fd, (void)address, BAD_DESCRIPTOR; /* there are no directories */
}

uint32_t wasi_fd_seek(struct wasi *wasi, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t position) {
  return (void)wasi, (void)offset, (void)whence, (void)position, fd > 2 ? BAD_DESCRIPTOR : SEEK_ON_PIPE;
}

/* A millisecond passes between any two looks. */
uint32_t wasi_clock_time_get(struct wasi *wasi, uint32_t id, uint64_t precision, uint32_t address) {
  (void)id, (void)precision;
  wasi->clock += 1000000;
  return store(wasi, address, &wasi->clock, sizeof wasi->clock);
}

uint32_t wasi_random_get(struct wasi *wasi, uint32_t address, uint32_t length) {
  uint8_t *out = range(wasi, address, length);
  if (!out) return FAULT;
  for (uint32_t i = 0; i < length; i++) {
    wasi->random = wasi->random * 1103515245u + 12345u;
    out[i] = (uint8_t)(wasi->random >> 16);
  }
  return OK;
}
