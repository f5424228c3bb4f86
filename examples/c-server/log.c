/* log.c: see log.h. A line that does not fit or cannot be written is lost; a server must not stop for its
 * log. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "rules.h"

void log_error(const char *format, ...) {
  char line[2048];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  size_t size = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
  line[size++] = '\n';
  if (write(STDERR_FILENO, line, size) < 0) return;
}

void log_escape(struct buffer *line, const char *bytes, size_t length) {
  if (buffer_reserve(line, 4 * length))
    line->length += rules_escape(line->data + line->length, bytes, length);
}
