/* zlib_main.c: deflates standard input at every level and with every strategy, in pieces of odd sizes; prints
 * sizes and digests of what came out, inflates it and compares. */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "digest.h"
#include "read_all.h"

enum { PIECE = 7919 };

static void check(int status, int expected, const char *what) {
  if (status == expected) return;
  printf("%s: %d\n", what, status);
  exit(1);
}

static size_t pack(const char *input, size_t length, char *out, size_t room, int level, int strategy) {
  z_stream stream = {0};
  check(deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, strategy), Z_OK, "deflateInit2");
  stream.next_out = (Bytef *)out;
  stream.avail_out = (uInt)room;
  for (size_t at = 0; at < length; at += PIECE) {
    size_t piece = length - at < PIECE ? length - at : PIECE;
    stream.next_in = (Bytef *)(input + at);
    stream.avail_in = (uInt)piece;
    check(deflate(&stream, Z_NO_FLUSH), Z_OK, "deflate");
  }
  check(deflate(&stream, Z_FINISH), Z_STREAM_END, "deflate's end");
  size_t size = stream.total_out;
  check(deflateEnd(&stream), Z_OK, "deflateEnd");
  return size;
}

static void unpack(const char *packed, size_t size, char *out, size_t length) {
  z_stream stream = {0};
  check(inflateInit2(&stream, 15 + 16), Z_OK, "inflateInit2");
  stream.next_in = (Bytef *)packed;
  stream.avail_in = (uInt)size;
  stream.next_out = (Bytef *)out;
  stream.avail_out = (uInt)length;
  check(inflate(&stream, Z_FINISH), Z_STREAM_END, "inflate");
  if (stream.total_out != length) exit(4);
  check(inflateEnd(&stream), Z_OK, "inflateEnd");
}

int main(void) {
  size_t length;
  char *input = read_all(&length);
  if (length > 1500000) length = 1500000;
  size_t room = compressBound((uLong)length) + 1024;
  char *packed = malloc(room), *again = malloc(length + 1);
  if (!packed || !again) return 3;
  printf("zlib %s, %zu bytes, crc %08lx, adler %08lx\n", zlibVersion(), length,
         (unsigned long)crc32(0, (const Bytef *)input, (uInt)length),
         (unsigned long)adler32(1, (const Bytef *)input, (uInt)length));
  for (int level = 0; level <= 9; level++)
    for (int strategy = Z_DEFAULT_STRATEGY; strategy <= Z_FIXED; strategy++) {
      if (strategy != Z_DEFAULT_STRATEGY && level % 3 != 0) continue;
      size_t size = pack(input, length, packed, room, level, strategy);
      unpack(packed, size, again, length);
      if (memcmp(input, again, length) != 0) return 4;
      printf("level %d, strategy %d: %zu bytes, %016" PRIx64 "\n", level, strategy, size,
             digest(packed, size));
    }
  return 0;
}
