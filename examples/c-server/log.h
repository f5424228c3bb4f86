/* log.h: lines for people. What clients and guests wrote is escaped, so that nobody can forge a line. Any
 * thread. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stddef.h>

#include "buffer.h"

/* One line to standard error, written at once. */
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
/* Appends bytes with control characters, quotes, backslashes and everything beyond ASCII as \xNN. */
void log_escape(struct buffer *line, const char *bytes, size_t length);

#endif
