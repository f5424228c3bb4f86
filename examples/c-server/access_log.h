/* access_log.h: one line for every request that was answered, also for those that were refused. */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"

struct access_log {
  const char *path;
  int fd; /* -1: off */
};

bool access_log_open(struct access_log *log, const char *path);
/* After the file was moved away: writes to a new one. Lines are not lost meanwhile. */
bool access_log_reopen(struct access_log *log);
void access_log_close(struct access_log *log);
/* `exchange->request` may have no method and target yet, when the head was not understood. */
void access_log_write(const struct access_log *log, const char *peer, const struct exchange *exchange,
                      int status, uint64_t response_bytes, uint64_t microseconds);

#endif
