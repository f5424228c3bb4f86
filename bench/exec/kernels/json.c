/* json.c: reads JSON that it has written: byte-wise with many branches, recursive, with a sum over what it
 * found. */
#include "kernel.h"

enum { ROOM = 200000 };
static char text[ROOM];
static size_t length;

static void put(const char *words) {
  while (*words)
    text[length++] = *words++;
}
static void put_number(uint32_t value) {
  char digits[12];
  int count = 0;
  do
    digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count)
    text[length++] = digits[--count];
}

static void write_text(void) {
  uint32_t state = 3;
  length = 0;
  put("[");
  while (length < ROOM - 400) {
    put(length > 1 ? ",\n  {\"id\": " : "\n  {\"id\": ");
    put_number(next_random(&state));
    put(", \"name\": \"user \\\"");
    put_number(next_random(&state) & 0xFFFF);
    put("\\\" \\u00e9\", \"tags\": [\"alpha\", \"beta\", null, true], \"score\": -");
    put_number(next_random(&state) & 0xFFF);
    put(".");
    put_number(next_random(&state) & 0xFF);
    put("e2, \"nested\": {\"deep\": [[1, 2], [3, {\"x\": false}]]}}");
  }
  put("]");
  text[length] = 0;
}

struct reader {
  const char *at;
  uint32_t sum;
  bool bad;
};
static void value(struct reader *reader, int depth);

static void space(struct reader *reader) {
  while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t' || *reader->at == '\r')
    reader->at++;
}

static void string(struct reader *reader) {
  uint32_t hash = 2166136261u;
  for (reader->at++; *reader->at != '"'; reader->at++) {
    if (!*reader->at) {
      reader->bad = true;
      return;
    }
    if (*reader->at == '\\') reader->at++;
    hash = (hash ^ (uint8_t)*reader->at) * 16777619u;
  }
  reader->at++;
  reader->sum = mix(reader->sum, hash);
}

static void number(struct reader *reader) {
  bool negative = *reader->at == '-';
  double result = 0, scale = 1;
  if (negative) reader->at++;
  for (; *reader->at >= '0' && *reader->at <= '9'; reader->at++)
    result = result * 10 + (*reader->at - '0');
  if (*reader->at == '.')
    for (reader->at++; *reader->at >= '0' && *reader->at <= '9'; reader->at++)
      result += (scale /= 10) * (*reader->at - '0');
  if (*reader->at == 'e') {
    int power = 0;
    for (reader->at++; *reader->at >= '0' && *reader->at <= '9'; reader->at++)
      power = power * 10 + (*reader->at - '0');
    while (power--)
      result *= 10;
  }
  reader->sum = mix(reader->sum, (uint32_t)(int64_t)(negative ? -result : result));
}

static void members(struct reader *reader, int depth, char end) {
  reader->at++;
  space(reader);
  if (*reader->at == end) {
    reader->at++;
    return;
  }
  for (;;) {
    space(reader);
    if (end == '}') {
      string(reader);
      space(reader);
      if (*reader->at++ != ':') reader->bad = true;
    }
    value(reader, depth + 1);
    space(reader);
    if (reader->bad || *reader->at != ',') break;
    reader->at++;
  }
  if (*reader->at++ != end) reader->bad = true;
}

static void word(struct reader *reader, const char *expected) {
  while (*expected)
    if (*reader->at++ != *expected++) reader->bad = true;
  reader->sum = mix(reader->sum, (uint8_t)expected[-1]);
}

static void value(struct reader *reader, int depth) {
  space(reader);
  if (depth > 64 || reader->bad) {
    reader->bad = true;
    return;
  }
  switch (*reader->at) {
  case '{':
    members(reader, depth, '}');
    break;
  case '[':
    members(reader, depth, ']');
    break;
  case '"':
    string(reader);
    break;
  case 't':
    word(reader, "true");
    break;
  case 'f':
    word(reader, "false");
    break;
  case 'n':
    word(reader, "null");
    break;
  default:
    number(reader);
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  struct reader reader = {text, 0, false};
  write_text();
  while (rounds--) {
    reader.at = text;
    value(&reader, 0);
  }
  return reader.bad ? 0 : reader.sum;
}
