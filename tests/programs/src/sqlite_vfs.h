/* sqlite_vfs.h: SQLite's files, kept in memory, for a system that has none. One connection at a time. */
#ifndef PROGRAMS_SQLITE_VFS_H
#define PROGRAMS_SQLITE_VFS_H

#include <stddef.h>

struct memory_file {
  char *name; /* NULL: free */
  unsigned char *bytes;
  size_t size, capacity;
};

/* The file of a name, or NULL. */
struct memory_file *memory_file(const char *name);

#endif
