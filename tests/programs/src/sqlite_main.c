/* sqlite_main.c: runs the SQL script on standard input against a database in a file of sqlite_vfs.c, and
 * prints the rows that it selects. An error of a statement is printed, and the next one runs. At the end the
 * size of the file and a digest of its bytes. */
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "digest.h"
#include "read_all.h"
#include "sqlite_vfs.h"

static void show(sqlite3_stmt *statement) {
  for (int i = 0; i < sqlite3_column_count(statement); i++) {
    const char *text = (const char *)sqlite3_column_text(statement, i);
    printf(i ? "|%s" : "%s", text ? text : "NULL");
  }
  putchar('\n');
}

static void run(sqlite3 *database, const char *script) {
  while (*script) {
    sqlite3_stmt *statement = NULL;
    int status = sqlite3_prepare_v2(database, script, -1, &statement, &script);
    if (status == SQLITE_OK && !statement) continue; /* white space, a comment */
    while (status == SQLITE_OK && (status = sqlite3_step(statement)) == SQLITE_ROW) {
      show(statement);
      status = SQLITE_OK;
    }
    if (status != SQLITE_DONE) printf("error %d: %s\n", status, sqlite3_errmsg(database));
    sqlite3_finalize(statement);
    if (status == SQLITE_ERROR && !statement) script += strcspn(script, ";") + (strchr(script, ';') != NULL);
  }
}

int main(void) {
  size_t length;
  const char *script = read_all(&length);
  sqlite3 *database;
  printf("sqlite %s\n", sqlite3_libversion());
  int status = sqlite3_open("data", &database);
  if (status != SQLITE_OK) {
    printf("open: %d\n", status);
    return 1;
  }
  run(database, script);
  status = sqlite3_close(database);
  const struct memory_file *file = memory_file("data");
  if (status != SQLITE_OK || !file) return 2;
  printf("file: %zu bytes, %016" PRIx64 "\n", file->size, digest(file->bytes, file->size));
  return 0;
}
