// harness.hpp: checks for the C++ tests, in both modes of lucet.hpp. Each check that fails prints a line, and
// the program goes on; finish() prints the count and gives the exit status. Only the main thread checks.
#ifndef HARNESS_HPP
#define HARNESS_HPP
#include <lucet.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace harness {
inline unsigned checks = 0, failures = 0;

inline void check(bool good, const char *text, const char *file, int line) {
  checks++;
  if (good) return;
  failures++;
  std::printf("%s:%d: not so: %s (last error: %s)\n", file, line, text, lucet_last_error());
}

inline void contains(const std::string &text, const char *part, const char *file, int line) {
  checks++;
  if (text.find(part) != std::string::npos) return;
  failures++;
  std::printf("%s:%d: expected \"%s\" in \"%s\"\n", file, line, part, text.c_str());
}

inline int finish() {
  std::printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks ? 1 : 0;
}

// The compiled guest of this name.
inline std::string guest(const char *name) {
  const char *directory = std::getenv("LUCET_GUESTS");
  if (!directory) {
    std::printf("LUCET_GUESTS is not set\n");
    std::exit(1);
  }
  return std::string(directory) + "/" + name + ".so";
}
} // namespace harness

#define CHECK(...) harness::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CONTAINS(text, part) harness::contains(text, part, __FILE__, __LINE__)
#if LUCET_EXCEPTIONS_
// An expression that throws this type, whose what() has this part.
#define THROWS(type, part, ...)                                                                              \
  do {                                                                                                       \
    bool thrown_ = false;                                                                                    \
    try {                                                                                                    \
      (void)(__VA_ARGS__);                                                                                   \
    } catch (const type &caught_) {                                                                          \
      thrown_ = true;                                                                                        \
      CONTAINS(caught_.what(), part);                                                                        \
    }                                                                                                        \
    harness::check(thrown_, #__VA_ARGS__ " throws " #type, __FILE__, __LINE__);                              \
  } while (0)
// One that throws a lucet::error with this status.
#define FAILS(expected, part, ...)                                                                           \
  do {                                                                                                       \
    lucet_status status_ = LUCET_OK;                                                                         \
    try {                                                                                                    \
      (void)(__VA_ARGS__);                                                                                   \
    } catch (const lucet::error &caught_) {                                                                  \
      status_ = caught_.status();                                                                            \
      CONTAINS(caught_.what(), part);                                                                        \
    }                                                                                                        \
    harness::check(status_ == (expected), #__VA_ARGS__ " fails with " #expected, __FILE__, __LINE__);        \
  } while (0)
#endif
#endif
