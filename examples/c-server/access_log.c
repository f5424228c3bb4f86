/* access_log.c: see access_log.h. A line is one write to a file opened for appending, so threads do not mix
 * theirs.
 *
 *   2026-01-31T12:00:00.123Z 127.0.0.1:40000 "GET /hello" 200 in=0 out=13 us=52 guest=/hello
 * build=0123456789abcdef
 *   ... 500 in=0 out=26 us=80 guest=/oob build=... why="..." */
#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static int open_file(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) log_error("access log %s: %s", path, strerror(errno));
  return fd;
}

static bool is_file(const struct access_log *log) {
  return strcmp(log->path, "-") != 0 && strcmp(log->path, "off") != 0;
}

bool access_log_open(struct access_log *log, const char *path) {
  log->path = path;
  log->fd = -1;
  if (is_file(log)) return (log->fd = open_file(path)) >= 0;
  if (strcmp(path, "-") == 0) log->fd = STDOUT_FILENO;
  return true;
}

bool access_log_reopen(struct access_log *log) {
  if (!is_file(log)) return true;
  int fd = open_file(log->path);
  bool good =
      fd >= 0 && dup3(fd, log->fd, O_CLOEXEC) >= 0; /* the number stays, so other threads need no lock */
  if (fd >= 0) close(fd);
  return good;
}

void access_log_close(struct access_log *log) {
  if (is_file(log) && log->fd >= 0) close(log->fd);
  log->fd = -1;
}

static void put_time(struct buffer *line) {
  struct timespec now;
  struct tm utc;
  char text[32] = "";
  clock_gettime(CLOCK_REALTIME, &now);
  if (gmtime_r(&now.tv_sec, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  buffer_print(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

void access_log_write(const struct access_log *log, const char *peer, const struct exchange *exchange,
                      int status, uint64_t response_bytes, uint64_t microseconds) {
  struct buffer line = {0};
  const struct http_request *request = exchange->request;
  if (log->fd < 0) return;
  put_time(&line);
  buffer_print(&line, " %s \"", peer);
  log_escape(&line, request->method.data, request->method.length);
  if (request->method.length) buffer_append(&line, " ", 1);
  log_escape(&line, request->target.data, request->target.length);
  buffer_print(&line, "\" %d in=%zu out=%llu us=%llu", status, exchange->body.length,
               (unsigned long long)response_bytes, (unsigned long long)microseconds);
  if (exchange->guest) buffer_print(&line, " guest=%s", exchange->guest);
  if (exchange->build_id[0]) buffer_print(&line, " build=%s", exchange->build_id);
  if (exchange->why[0]) {
    buffer_print(&line, " why=\"");
    for (const char *c = exchange->why; *c; c++)
      log_escape(&line, *c == '"' ? "'" : c, 1);
    buffer_print(&line, "\"");
  }
  buffer_append(&line, "\n", 1);
  if (write(log->fd, line.data, line.length) < 0 && errno != EINTR)
    log_error("access log: %s", strerror(errno));
  buffer_free(&line);
}
