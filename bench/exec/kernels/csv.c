/* csv.c: splits comma-separated lines with quotes into fields, adds up columns: byte-wise, copying. */
#include "kernel.h"

enum { ROOM = 300000, COLUMNS = 8, FIELD = 64 };
static char text[ROOM];
static size_t length;
static char fields[COLUMNS][FIELD];
static uint64_t sums[COLUMNS];

static void write_text(void) {
  uint32_t state = 11;
  length = 0;
  while (length < ROOM - 300) {
    for (int column = 0; column < COLUMNS; column++) {
      bool quoted = column == 3;
      if (column) text[length++] = ',';
      if (quoted) text[length++] = '"';
      for (uint32_t digits = 1 + next_random(&state) % 7; digits; digits--)
        text[length++] = (char)((column & 1 ? 'a' : '0') + next_random(&state) % 10);
      if (quoted && !(next_random(&state) & 3))
        text[length++] = '"', text[length++] = '"', text[length++] = ',';
      if (quoted) text[length++] = '"';
    }
    text[length++] = '\n';
  }
}

static void end_line(void) {
  for (int column = 0; column < COLUMNS; column++) {
    uint64_t number = 0;
    for (const char *at = fields[column]; *at; at++)
      number = column & 1 ? number * 31 + (uint8_t)*at : number * 10 + (uint64_t)(*at - '0');
    sums[column] += number;
  }
}

static void read_text(void) {
  int column = 0, used = 0;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    char byte = text[i];
    if (byte == '"') {
      if (quoted && i + 1 < length && text[i + 1] == '"')
        i++;
      else {
        quoted = !quoted;
        continue;
      }
    } else if (!quoted && (byte == ',' || byte == '\n')) {
      fields[column][used] = 0;
      used = 0;
      column = byte == ',' ? column + 1 : 0;
      if (byte == '\n') end_line();
      if (column == COLUMNS) return;
      continue;
    }
    if (used < FIELD - 1) fields[column][used++] = byte;
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint64_t sum = 0;
  write_text();
  for (int column = 0; column < COLUMNS; column++)
    sums[column] = 0;
  while (rounds--)
    read_text();
  for (int column = 0; column < COLUMNS; column++)
    sum = sum * 31 + sums[column];
  return (uint32_t)(sum ^ sum >> 32);
}
