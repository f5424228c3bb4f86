/* headers.h: the headers of a response as they will be sent: lines of "Name: value". What goes in was checked
 * before. */
#ifndef SERVER_HEADERS_H
#define SERVER_HEADERS_H

#include "buffer.h"
#include "http.h"

bool headers_add(struct buffer *lines, struct text name, struct text value);
/* Removes all of this name; answers how many there were. */
int headers_remove(struct buffer *lines, struct text name);
/* The value of the first of this name; its data is NULL if there is none. */
struct text headers_find(const struct buffer *lines, struct text name);

#endif
