/* rules.h: what a host of lucet_http_v0 refuses, whatever server it is in: texts that would break the framing
 * of a message, headers that are the host's, and how a line of a guest is escaped for a log. No state, no
 * allocation, no server. */
#ifndef HTTP_RULES_H
#define HTTP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same in every host, so that a guest behaves alike everywhere. */
enum {
  RULES_MAX_HEADERS = 16384, /* bytes of the guest's headers, each with four for ": " and the line's end */
  RULES_MAX_LOG_LINE = 1024,
  RULES_MAX_RANDOM = 65536,
  RULES_MAX_SLEEP_MS = 3600000,
  RULES_MAX_TARGET = 4096, /* of a fetch */
};

bool rules_is_token(const char *bytes, size_t length);        /* a header's name or a method */
bool rules_is_header_value(const char *bytes, size_t length); /* no control characters except tab */
/* A path with or without a query, as it stands in a request line: starts with '/', no white space, no control
 * characters, no fragment. */
bool rules_is_target(const char *bytes, size_t length);
/* Whether no part of the path is "..", escaped or not. */
bool rules_stays_inside(const char *target, size_t length);
bool rules_is_status(int32_t status);

/* 0, or the error of lucet_http_v0 for a header that a guest adds: LUCET_HTTP_INVALID, LUCET_HTTP_FORBIDDEN.
 */
int32_t rules_check_header(const char *name, size_t name_length, const char *value, size_t value_length);

/* Whether two names are the same header. */
bool rules_same_name(const char *a, size_t a_length, const char *b, size_t b_length);

/* Writes bytes with control characters, quotes, backslashes and everything beyond ASCII as \xNN. `out` has
 * room for four times the length. Answers how much was written. */
size_t rules_escape(char *out, const char *bytes, size_t length);

#endif
