/* headers.c: see headers.h. */
#include "headers.h"

#include <string.h>

#include "rules.h"

bool headers_add(struct buffer *lines, struct text name, struct text value) {
  size_t before = lines->length;
  if (buffer_append(lines, name.data, name.length) && buffer_append(lines, ": ", 2) &&
      buffer_append(lines, value.data, value.length) && buffer_append(lines, "\r\n", 2))
    return true;
  lines->length = before;
  return false;
}

/* The line at `at`: its name, its value, and where the next one begins. */
static size_t line_at(const struct buffer *lines, size_t at, struct text *name, struct text *value) {
  const char *start = lines->data + at, *colon = memchr(start, ':', lines->length - at);
  const char *end = memchr(colon, '\r', (size_t)(lines->data + lines->length - colon));
  *name = (struct text){start, (size_t)(colon - start)};
  *value = (struct text){colon + 2, (size_t)(end - colon) - 2};
  return (size_t)(end - lines->data) + 2;
}

int headers_remove(struct buffer *lines, struct text name) {
  int removed = 0;
  struct text n, v;
  for (size_t at = 0; at < lines->length;) {
    size_t next = line_at(lines, at, &n, &v);
    if (!rules_same_name(n.data, n.length, name.data, name.length)) {
      at = next;
      continue;
    }
    memmove(lines->data + at, lines->data + next, lines->length - next);
    lines->length -= next - at;
    removed++;
  }
  return removed;
}

struct text headers_find(const struct buffer *lines, struct text name) {
  struct text n, v;
  for (size_t at = 0; at < lines->length;) {
    at = line_at(lines, at, &n, &v);
    if (rules_same_name(n.data, n.length, name.data, name.length)) return v;
  }
  return (struct text){NULL, 0};
}
