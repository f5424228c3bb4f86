/* zstd_main.c: compresses standard input with several of zstd's strategies, with long-distance matching, and
 * with a dictionary trained on it; prints sizes and digests of what came out; decompresses it and compares.
 */
#include <inttypes.h>
#include <string.h>
#include <zdict.h>
#include <zstd.h>

#include "digest.h"
#include "read_all.h"

enum { SAMPLE = 4096, DICTIONARY = 16384 };

static void check(size_t result, const char *what) {
  if (!ZSTD_isError(result)) return;
  printf("%s: %s\n", what, ZSTD_getErrorName(result));
  exit(1);
}

static void round_trip(ZSTD_CCtx *encoder, ZSTD_DCtx *decoder, const char *input, size_t length,
                       const char *what, int level) {
  size_t bound = ZSTD_compressBound(length);
  char *packed = malloc(bound), *again = malloc(length + 1);
  if (!packed || !again) exit(3);
  size_t size = ZSTD_compress2(encoder, packed, bound, input, length);
  check(size, what);
  size_t back = ZSTD_decompressDCtx(decoder, again, length, packed, size);
  check(back, what);
  if (back != length || memcmp(again, input, length) != 0) exit(4);
  printf("%s %d: %zu bytes, %016" PRIx64 "\n", what, level, size, digest(packed, size));
  free(packed);
  free(again);
}

/* The input cut into samples. */
static void with_dictionary(ZSTD_CCtx *encoder, ZSTD_DCtx *decoder, const char *input, size_t length) {
  static char dictionary[DICTIONARY];
  unsigned count = (unsigned)(length / SAMPLE);
  size_t *sizes = malloc((count + 1) * sizeof *sizes);
  if (!sizes) exit(3);
  for (unsigned i = 0; i < count; i++)
    sizes[i] = SAMPLE;
  size_t size = ZDICT_trainFromBuffer(dictionary, sizeof dictionary, input, sizes, count);
  if (ZDICT_isError(size)) exit(5);
  printf("dictionary: %zu bytes, %016" PRIx64 "\n", size, digest(dictionary, size));
  check(ZSTD_CCtx_loadDictionary(encoder, dictionary, size), "encoder's dictionary");
  check(ZSTD_DCtx_loadDictionary(decoder, dictionary, size), "decoder's dictionary");
  round_trip(encoder, decoder, input, SAMPLE, "dictionary", 3);
  free(sizes);
}

int main(void) {
  static const int levels[] = {-5, 1, 3, 6, 9, 13, 16, 19};
  size_t length;
  char *input = read_all(&length);
  ZSTD_CCtx *encoder = ZSTD_createCCtx();
  ZSTD_DCtx *decoder = ZSTD_createDCtx();
  printf("zstd %s, %zu bytes, %016" PRIx64 "\n", ZSTD_versionString(), length, digest(input, length));
  check(ZSTD_CCtx_setParameter(encoder, ZSTD_c_checksumFlag, 1), "checksum");
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    /* The slow ones on less, so that the test stays short. */
    size_t part = levels[i] > 9 && length > 700000 ? 700000 : length;
    check(ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, levels[i]), "level");
    round_trip(encoder, decoder, input, part, "level", levels[i]);
  }
  check(ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, 3), "level");
  check(ZSTD_CCtx_setParameter(encoder, ZSTD_c_enableLongDistanceMatching, 1), "long distance");
  round_trip(encoder, decoder, input, length, "long distance", 3);
  check(ZSTD_CCtx_setParameter(encoder, ZSTD_c_enableLongDistanceMatching, 0), "long distance");
  with_dictionary(encoder, decoder, input, length < 1000000 ? length : 1000000);
  return 0;
}
