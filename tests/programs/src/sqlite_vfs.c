/* sqlite_vfs.c: see sqlite_vfs.h. Real enough for journals: files can be made, cut, deleted and looked up.
 * The clock stands still and random bytes are always the same, so that two runs make the same file. Locks are
 * always free. */
#include "sqlite_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 32 };
static struct memory_file files[FILES];

struct open_file {
  sqlite3_file base;
  struct memory_file *file;
  int delete_on_close;
};

struct memory_file *memory_file(const char *name) {
  for (int i = 0; i < FILES; i++)
    if (files[i].name && strcmp(files[i].name, name) == 0) return &files[i];
  return NULL;
}

static void forget(struct memory_file *file) {
  free(file->name);
  free(file->bytes);
  *file = (struct memory_file){0};
}

static struct memory_file *create(const char *name) {
  for (int i = 0; i < FILES; i++) {
    if (files[i].name) continue;
    files[i].name = malloc(strlen(name) + 1);
    if (files[i].name) strcpy(files[i].name, name);
    return files[i].name ? &files[i] : NULL;
  }
  return NULL;
}

static struct memory_file *of(sqlite3_file *base) { return ((struct open_file *)base)->file; }

static int file_close(sqlite3_file *base) {
  if (((struct open_file *)base)->delete_on_close) forget(of(base));
  return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset) {
  const struct memory_file *file = of(base);
  size_t from = (size_t)offset, wanted = (size_t)amount;
  size_t there = from < file->size ? file->size - from : 0, length = wanted < there ? wanted : there;
  if (length > 0) memcpy(out, file->bytes + from, length);
  if (length == wanted) return SQLITE_OK;
  memset((char *)out + length, 0, wanted - length);
  return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int amount, sqlite3_int64 offset) {
  struct memory_file *file = of(base);
  size_t end = (size_t)offset + (size_t)amount;
  if (end > file->capacity) {
    size_t capacity = end * 2;
    unsigned char *bytes = realloc(file->bytes, capacity);
    if (!bytes) return SQLITE_FULL;
    file->bytes = bytes;
    file->capacity = capacity;
  }
  if (end > file->size) {
    memset(file->bytes + file->size, 0, end - file->size);
    file->size = end;
  }
  memcpy(file->bytes + offset, data, (size_t)amount);
  return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
  if ((size_t)size < of(base)->size) of(base)->size = (size_t)size;
  return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
  *size = (sqlite3_int64)of(base)->size;
  return SQLITE_OK;
}

static int file_nothing(sqlite3_file *base, int flags) { return (void)base, (void)flags, SQLITE_OK; }
static int file_reserved(sqlite3_file *base, int *reserved) { return (void)base, *reserved = 0, SQLITE_OK; }
static int file_control(sqlite3_file *base, int operation, void *argument) {
  return (void)base, (void)operation, (void)argument, SQLITE_NOTFOUND;
}
static int file_sector(sqlite3_file *base) { return (void)base, 512; }
static int file_characteristics(sqlite3_file *base) { return (void)base, 0; }

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_nothing,
    .xFileSize = file_size,
    .xLock = file_nothing,
    .xUnlock = file_nothing,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags, int *out_flags) {
  struct open_file *opened = (struct open_file *)base;
  static int temporary;
  char own[32];
  (void)vfs;
  memset(opened, 0, sizeof *opened);
  if (!name) {
    snprintf(own, sizeof own, "temporary-%d", temporary++);
    name = own;
  }
  opened->file = memory_file(name);
  if (!opened->file && (flags & SQLITE_OPEN_CREATE)) opened->file = create(name);
  if (!opened->file) return SQLITE_CANTOPEN;
  opened->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  opened->base.pMethods = &methods;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
  struct memory_file *file = memory_file(name);
  (void)vfs, (void)sync;
  if (!file) return SQLITE_IOERR_DELETE_NOENT;
  forget(file);
  return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
  (void)vfs, (void)flags;
  *result = memory_file(name) != NULL;
  return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int room, char *out) {
  (void)vfs;
  return snprintf(out, (size_t)room, "%s", name) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int amount, char *out) {
  (void)vfs;
  for (int i = 0; i < amount; i++)
    out[i] = (char)(i * 37 + 11);
  return amount;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) { return (void)vfs, microseconds; }

static int vfs_time(sqlite3_vfs *vfs, double *day) {
  (void)vfs;
  *day = 2460000.5;
  return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int room, char *out) {
  return (void)vfs, (void)room, (void)out, 0;
}

static sqlite3_vfs memory = {
    .iVersion = 1,
    .szOsFile = sizeof(struct open_file),
    .mxPathname = 256,
    .zName = "memory-files",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_name,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
};

/* SQLite calls these two where it is built for an unknown system. */
int sqlite3_os_init(void);
int sqlite3_os_end(void);
int sqlite3_os_init(void) { return sqlite3_vfs_register(&memory, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }
