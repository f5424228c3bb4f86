// lucet/error.hpp: how functions of lucet.hpp fail: lucet::error, lucet::result, and the choice between them.
//
// Invariants: `returned<T>` is T where exceptions are on and result<T> where they are off; a function returns
// `failed<T>` on failure and either the T or `done()` on success, and is right in both modes. Copying an
// error does not throw.
//
// Not here: what a guest does wrong, which is an outcome (value.hpp).
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_ERROR_HPP
#define LUCET_ERROR_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "lucet.hpp needs C++17"
#endif

#include "../lucet.h"
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#if defined(LUCET_NO_EXCEPTIONS) || !defined(__cpp_exceptions)
#define LUCET_EXCEPTIONS_ 0
#define LUCET_MODE_ without_exceptions
#else
#define LUCET_EXCEPTIONS_ 1
#define LUCET_MODE_ with_exceptions
#endif

// Exceptions and the slot for them are recognised across shared objects, whatever they are compiled with.
#pragma GCC visibility push(default)

namespace lucet {
inline namespace LUCET_MODE_ {

// Why something was not done: one of LUCET_NULL_ARGUMENT and so on, and a sentence as what().
class error : public std::runtime_error {
public:
  error(lucet_status status, const std::string &sentence) : std::runtime_error(sentence), status_(status) {}

  // LUCET_NEEDS_RESET with kind() other than LUCET_NOT_RUN: the guest has run, and did not return.
  lucet_status status() const noexcept { return status_; }
  const char *status_name() const noexcept { return lucet_status_name(status_); }

  // How the guest was left: LUCET_TRAPPED, LUCET_TERMINATED, LUCET_SUSPENDED, LUCET_PREEMPTED; LUCET_NOT_RUN
  // when this is not about that.
  uint32_t kind() const noexcept { return kind_; }
  // LUCET_TRAP_* or LUCET_STOP_*.
  uint32_t detail() const noexcept { return detail_; }
  // The reason that was given for a termination.
  uint64_t token() const noexcept { return token_; }

  // The latest failure on this thread.
  static error latest(lucet_status status) {
    const char *sentence = lucet_last_error();
    return error(status, *sentence ? sentence : lucet_status_name(status));
  }

protected:
  error(const lucet_outcome &ended, const std::string &description)
      : std::runtime_error(description),
        status_(ended.kind == LUCET_TRAPPED || ended.kind == LUCET_TERMINATED ? LUCET_NEEDS_RESET
                                                                              : LUCET_BAD_STATE),
        kind_(ended.kind), detail_(ended.detail), token_(ended.token) {}

private:
  lucet_status status_;
  uint32_t kind_ = LUCET_NOT_RUN;
  uint32_t detail_ = 0;
  uint64_t token_ = 0;
};

// A guest did not return: it trapped or was terminated, and needs a reset; or it waits for instance::resume.
// Thrown out of a host function that
// has called back, it ends the outer guest in the same way.
class stopped : public error {
public:
  stopped(const lucet_outcome &ended, const std::string &description, const lucet_instance *instance)
      : error(ended, description), instance_(instance) {}
  // Whose end it was: to be compared only.
  const lucet_instance *instance() const noexcept { return instance_; }

private:
  const lucet_instance *instance_;
};

// Thrown in a host function: ends the guest with this trap, and nothing is rethrown. For what is the guest's
// fault.
class guest_fault : public error {
public:
  explicit guest_fault(uint32_t trap = LUCET_TRAP_HOST_ARGUMENT, lucet_status status = LUCET_BAD_ARGUMENT)
      : error(status, lucet_trap_name(trap)), trap_(trap) {}
  guest_fault(uint32_t trap, const error &why) : error(why), trap_(trap) {}
  // LUCET_TRAP_*
  uint32_t trap() const noexcept { return trap_; }

private:
  uint32_t trap_;
};

namespace detail {
[[noreturn]] inline void misused(const char *what) noexcept {
  std::fprintf(stderr, "lucet.hpp: %s\n", what);
  std::abort();
}
} // namespace detail

// A T, or why there is none. Asking for what is not there ends the program with a message.
template <class T> class [[nodiscard]] result {
public:
  result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  result(lucet::error why) : held_(std::in_place_index<1>, std::move(why)) {}

  bool ok() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T &value() & { return held(); }
  const T &value() const & { return const_cast<result *>(this)->held(); }
  T value() && { return std::move(held()); }
  T &operator*() & { return held(); }
  const T &operator*() const & { return value(); }
  T operator*() && { return std::move(held()); }
  T *operator->() { return &held(); }
  const T *operator->() const { return &value(); }
  const lucet::error &error() const & {
    if (const auto *why = std::get_if<1>(&held_)) return *why;
    detail::misused("error() of a result that is good");
  }
  lucet_status status() const noexcept { return ok() ? LUCET_OK : error().status(); }

private:
  T &held() {
    if (auto *value = std::get_if<0>(&held_)) return *value;
    detail::misused(error().what());
  }
  std::variant<T, lucet::error> held_;
};

template <> class [[nodiscard]] result<void> {
public:
  result() = default;
  result(lucet::error why) : why_(std::move(why)) {}

  bool ok() const noexcept { return !why_; }
  explicit operator bool() const noexcept { return ok(); }
  void value() const {
    if (why_) detail::misused(why_->what());
  }
  const lucet::error &error() const & {
    if (why_) return *why_;
    detail::misused("error() of a result that is good");
  }
  lucet_status status() const noexcept { return why_ ? why_->status() : LUCET_OK; }

private:
  std::optional<lucet::error> why_;
};

#if LUCET_EXCEPTIONS_

template <class T> using returned = T;

namespace detail {
template <class T, class Error> [[noreturn]] T failed_with(const Error &why) { throw why; }
inline void done() noexcept {}

// The exception that a host function has thrown on this thread, until the entry that called it has ended.
struct pending {
  const lucet_instance *instance = nullptr;
  std::exception_ptr what;
};
inline pending &thrown() noexcept {
  thread_local pending slot;
  return slot;
}
#else

template <class T> using returned = result<T>;

namespace detail {
template <class T, class Error> result<T> failed_with(const Error &why) { return result<T>(error(why)); }
inline result<void> done() { return {}; }
#endif

template <class T> returned<T> failed(lucet_status status) { return failed_with<T>(error::latest(status)); }
inline returned<void> checked(lucet_status status) { return status ? failed<void>(status) : done(); }
// For calls whose failure changes nothing.
inline void ignored(lucet_status) noexcept {}
} // namespace detail

// Why the outcome says terminated when a host function has thrown and the entry was not one of lucet.hpp's.
constexpr uint64_t exception_token = 0x6c75636574687070;

} // namespace LUCET_MODE_
} // namespace lucet

#pragma GCC visibility pop
#endif
