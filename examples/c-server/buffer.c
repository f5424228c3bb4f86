/* buffer.c: see buffer.h. Grows by doubling, so appending is linear over all. */
#include "buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *buffer, size_t extra) {
  if (extra > SIZE_MAX / 4 - buffer->length) return false;
  size_t needed = buffer->length + extra, capacity = buffer->capacity ? buffer->capacity : 512;
  if (needed <= buffer->capacity) return true;
  while (capacity < needed)
    capacity *= 2;
  char *data = realloc(buffer->data, capacity);
  if (!data) return false;
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

bool buffer_append(struct buffer *buffer, const void *bytes, size_t length) {
  if (length == 0) return true;
  if (!buffer_reserve(buffer, length)) return false;
  memcpy(buffer->data + buffer->length, bytes, length);
  buffer->length += length;
  return true;
}

bool buffer_print(struct buffer *buffer, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  bool fits = length >= 0 && buffer_reserve(buffer, (size_t)length + 1); /* the NUL goes behind the content */
  if (fits) {
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
    buffer->length += (size_t)length;
  }
  va_end(again);
  va_end(arguments);
  return fits;
}

void buffer_consume(struct buffer *buffer, size_t length) {
  if (length >= buffer->length) {
    buffer->length = 0;
    return;
  }
  if (length == 0) return;
  memmove(buffer->data, buffer->data + length, buffer->length - length);
  buffer->length -= length;
}

void buffer_clear(struct buffer *buffer, size_t keep) {
  if (buffer->capacity > keep) buffer_free(buffer);
  buffer->length = 0;
}

void buffer_free(struct buffer *buffer) {
  free(buffer->data);
  *buffer = (struct buffer){0};
}
