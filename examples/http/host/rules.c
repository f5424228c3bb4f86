/* rules.c: see rules.h. */
#include "rules.h"

#include <string.h>
#include <strings.h>

#include "lucet_http_errors.h"

bool rules_is_token(const char *bytes, size_t length) {
  static const char special[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < length; i++) {
    char c = bytes[i];
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && (c == 0 || !strchr(special, c))) return false;
  }
  return length > 0;
}

bool rules_is_header_value(const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

bool rules_is_target(const char *bytes, size_t length) {
  if (length == 0 || length > RULES_MAX_TARGET || bytes[0] != '/') return false;
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)bytes[i] <= 0x20 || (unsigned char)bytes[i] >= 0x7f || bytes[i] == '#') return false;
  return true;
}

/* One dot of a path, as it is or as %2e; answers how many bytes it takes, 0 if it is none. */
static size_t dot_at(const char *at, size_t left) {
  if (left >= 1 && at[0] == '.') return 1;
  return left >= 3 && strncasecmp(at, "%2e", 3) == 0 ? 3 : 0;
}

bool rules_stays_inside(const char *target, size_t length) {
  const char *query = memchr(target, '?', length);
  size_t end = query ? (size_t)(query - target) : length;
  for (size_t i = 0; i < end; i++) {
    if (target[i] != '/') continue;
    size_t first = dot_at(target + i + 1, end - i - 1);
    size_t second = first ? dot_at(target + i + 1 + first, end - i - 1 - first) : 0;
    size_t behind = i + 1 + first + second;
    if (second && (behind == end || target[behind] == '/')) return false;
  }
  return true;
}

bool rules_is_status(int32_t status) { return status >= 200 && status <= 599; }

bool rules_same_name(const char *a, size_t a_length, const char *b, size_t b_length) {
  return a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

/* Headers that say where a message ends or belong to the connection. */
static bool is_the_hosts(const char *name, size_t length) {
  static const char *const names[] = {"content-length",  "transfer-encoding", "connection", "keep-alive",
                                      "upgrade",         "trailer",           "te",         "date",
                                      "proxy-connection"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (rules_same_name(name, length, names[i], strlen(names[i]))) return true;
  return false;
}

int32_t rules_check_header(const char *name, size_t name_length, const char *value, size_t value_length) {
  if (!rules_is_token(name, name_length) || !rules_is_header_value(value, value_length))
    return LUCET_HTTP_INVALID;
  return is_the_hosts(name, name_length) ? LUCET_HTTP_FORBIDDEN : 0;
}

size_t rules_escape(char *out, const char *bytes, size_t length) {
  static const char digits[] = "0123456789abcdef";
  size_t n = 0;
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out[n++] = (char)c;
      continue;
    }
    out[n++] = '\\';
    out[n++] = 'x';
    out[n++] = digits[c >> 4];
    out[n++] = digits[c & 15];
  }
  return n;
}
