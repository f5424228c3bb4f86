/* buffer.h: bytes that grow at the end and are taken from the front. Running out of memory is a false result,
 * never an abort, and leaves the buffer as it was. Not for sharing between threads. */
#ifndef SERVER_BUFFER_H
#define SERVER_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
  char *data;
  size_t length, capacity;
};

/* Makes room for `extra` more bytes behind the content. */
bool buffer_reserve(struct buffer *buffer, size_t extra);
bool buffer_append(struct buffer *buffer, const void *bytes, size_t length);
__attribute__((format(printf, 2, 3))) bool buffer_print(struct buffer *buffer, const char *format, ...);
/* Drops bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t length);
/* Empties it, and gives memory back if it is more than `keep` bytes. */
void buffer_clear(struct buffer *buffer, size_t keep);
void buffer_free(struct buffer *buffer);

#endif
