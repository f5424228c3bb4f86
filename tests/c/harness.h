/* harness.h: checks for the C tests. Each check that fails prints one line with file and line, and the
 * program goes on; finish() prints the count and gives the exit status. Not thread safe: only the main thread
 * checks. */
#ifndef HARNESS_H
#define HARNESS_H
#include <lucet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned harness_checks, harness_failures;

static inline int harness_result(int good, const char *file, int line) {
  harness_checks++;
  if (good) return 1;
  harness_failures++;
  printf("%s:%d: ", file, line);
  return 0;
}

static inline void harness_true(int good, const char *text, const char *file, int line) {
  if (!harness_result(good, file, line)) printf("not so: %s (last error: %s)\n", text, lucet_last_error());
}

static inline void harness_equal(intmax_t actual, intmax_t expected, const char *text, const char *file,
                                 int line) {
  if (!harness_result(actual == expected, file, line))
    printf("%s is %" PRIdMAX ", expected %" PRIdMAX "\n", text, actual, expected);
}

static inline void harness_status(lucet_status actual, lucet_status expected, const char *text,
                                  const char *file, int line) {
  if (!harness_result(actual == expected, file, line))
    printf("%s: %s (%s), expected %s\n", text, lucet_status_name(actual),
           actual ? lucet_last_error() : "no error", lucet_status_name(expected));
}

static inline void harness_contains(const char *text, const char *part, const char *file, int line) {
  if (!harness_result(text && strstr(text, part) != NULL, file, line))
    printf("expected \"%s\" in \"%s\"\n", part, text ? text : "(null)");
}

static inline void harness_outcome(const lucet_outcome *actual, uint32_t kind, uint32_t detail,
                                   const char *file, int line) {
  if (!harness_result(actual->kind == kind && actual->detail == detail, file, line))
    printf("outcome %" PRIu32 " detail %" PRIu32 ", expected %" PRIu32 " detail %" PRIu32
           " (last error: %s)\n",
           actual->kind, actual->detail, kind, detail, lucet_last_error());
}

#define CHECK(condition) harness_true(!!(condition), #condition, __FILE__, __LINE__)
#define EQUAL(actual, expected)                                                                              \
  harness_equal((intmax_t)(actual), (intmax_t)(expected), #actual, __FILE__, __LINE__)
#define STATUS(expected, call) harness_status(call, expected, #call, __FILE__, __LINE__)
#define OK(call) STATUS(LUCET_OK, call)
/* A failing call, and a part of the sentence that says why. */
#define FAILS(expected, part, call)                                                                          \
  do {                                                                                                       \
    STATUS(expected, call);                                                                                  \
    CONTAINS(lucet_last_error(), part);                                                                      \
  } while (0)
#define CONTAINS(text, part) harness_contains(text, part, __FILE__, __LINE__)
#define OUTCOME(outcome, kind, detail) harness_outcome(&(outcome), kind, detail, __FILE__, __LINE__)
/* For what the rest of the test cannot do without. */
#define NEED(call)                                                                                           \
  do {                                                                                                       \
    lucet_status harness_needed = call;                                                                      \
    if (harness_needed) {                                                                                    \
      printf("%s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #call, lucet_status_name(harness_needed),           \
             lucet_last_error());                                                                            \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

static inline int finish(void) {
  printf("%u checks, %u failed\n", harness_checks, harness_failures);
  return harness_failures || !harness_checks ? 1 : 0;
}
#endif
