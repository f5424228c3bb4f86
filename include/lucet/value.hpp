// lucet/value.hpp: WebAssembly's types in C++: which C++ types they are, lucet::value, and lucet::outcome.
//
// Invariants: only the types named at `is_scalar` are accepted; bool, char, short and pointers are refused
// when compiled, because nothing says how they would be converted. An outcome owns what it holds.
//
// Not here: buffers in guest memory (guest.hpp).
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_VALUE_HPP
#define LUCET_VALUE_HPP

#include "error.hpp"
#include <limits>
#include <type_traits>
#include <vector>

#pragma GCC visibility push(default)

namespace lucet {
inline namespace LUCET_MODE_ {
namespace detail {

template <class T, class... Ts> constexpr bool is_one_of = (std::is_same_v<T, Ts> || ...);

// The C++ types of WebAssembly values.
template <class T>
constexpr bool is_scalar = is_one_of<T, int, unsigned, long, unsigned long, long long, unsigned long long,
                                     float, double, lucet_funcref, lucet_externref, lucet_v128>;

template <class T> constexpr lucet_type type_of() {
  if constexpr (std::is_same_v<T, lucet_v128>) {
    return LUCET_V128;
  } else {
    return static_cast<lucet_type>(lucet_detail::code<T>::value);
  }
}

template <class T> T unpack(const lucet_value &value) noexcept {
  static_assert(is_scalar<T>);
  constexpr lucet_type type = type_of<T>();
  if constexpr (type == LUCET_I32)
    return static_cast<T>(value.of.i32);
  else if constexpr (type == LUCET_I64)
    return static_cast<T>(value.of.i64);
  else if constexpr (type == LUCET_F32)
    return value.of.f32;
  else if constexpr (type == LUCET_F64)
    return value.of.f64;
  else if constexpr (type == LUCET_V128)
    return value.of.v128;
  else if constexpr (type == LUCET_FUNCREF)
    return value.of.funcref;
  else
    return value.of.externref;
}

template <class T> lucet_value pack(T content) noexcept {
  static_assert(is_scalar<T>);
  constexpr lucet_type type = type_of<T>();
  if constexpr (type == LUCET_I32)
    return lucet_value_i32(static_cast<int32_t>(content));
  else if constexpr (type == LUCET_I64)
    return lucet_value_i64(static_cast<int64_t>(content));
  else if constexpr (type == LUCET_F32)
    return lucet_value_f32(content);
  else if constexpr (type == LUCET_F64)
    return lucet_value_f64(content);
  else if constexpr (type == LUCET_V128)
    return lucet_value_v128(content);
  else if constexpr (type == LUCET_FUNCREF)
    return lucet_value_funcref(content);
  else
    return lucet_value_externref(content);
}

// Whether every number of one type is one of another; signed and unsigned ones are the same bits for a guest.
template <class From, class To> constexpr bool keeps() {
  if constexpr (std::is_enum_v<From>)
    return keeps<std::underlying_type_t<From>, To>();
  else if constexpr (!std::is_arithmetic_v<From>)
    return true; // as its conversion says
  else if constexpr (std::is_floating_point_v<To>)
    return std::numeric_limits<From>::digits <= std::numeric_limits<To>::digits;
  else
    return !std::is_floating_point_v<From> && sizeof(From) <= sizeof(To);
}

// A number for a typed call, converted as C++ does unless that loses something.
template <class T> struct argument {
  T content;
  template <class From, class = std::enable_if_t<std::is_convertible_v<From, T>>>
  argument(From from) noexcept : content(static_cast<T>(from)) {
    static_assert(keeps<From, T>(), "a narrowing argument of a typed export: convert it with static_cast");
  }
  operator T() const noexcept { return content; }
};
// References are what they are.
template <class T> using passed = std::conditional_t<std::is_arithmetic_v<T>, argument<T>, T>;

} // namespace detail

// One value of a WebAssembly type.
class value {
public:
  template <class T, class = std::enable_if_t<detail::is_scalar<T>>>
  value(T content) noexcept : raw_(detail::pack(content)) {}
  explicit value(const lucet_value &raw) noexcept : raw_(raw) {}

  // LUCET_I32 and so on.
  uint32_t type() const noexcept { return raw_.type; }
  template <class T> bool is() const noexcept {
    static_assert(detail::is_scalar<T>, "not a WebAssembly type");
    return raw_.type == detail::type_of<T>();
  }
  // The content. Fails with LUCET_TYPE_MISMATCH when it is of another type.
  template <class T> returned<T> as() const {
    static_assert(detail::is_scalar<T>, "not a WebAssembly type");
    if (is<T>()) return detail::unpack<T>(raw_);
    return detail::failed_with<T>(error(LUCET_TYPE_MISMATCH, "the value has type " +
                                                                 std::to_string(raw_.type) + ", expected " +
                                                                 std::to_string(int(detail::type_of<T>()))));
  }
  const lucet_value &raw() const noexcept { return raw_; }

private:
  lucet_value raw_;
};

enum class outcome_kind : uint32_t {
  not_run = LUCET_NOT_RUN,
  returned = LUCET_RETURNED,
  suspended = LUCET_SUSPENDED,
  preempted = LUCET_PREEMPTED,
  trapped = LUCET_TRAPPED,
  terminated = LUCET_TERMINATED,
};

// How an entry into a guest ended: it returned values, trapped, was terminated, or waits to be resumed.
class outcome {
public:
  outcome(const lucet_outcome &raw, std::string description, const lucet_instance *instance)
      : kind_(static_cast<outcome_kind>(raw.kind)), detail_(raw.detail), token_(raw.token),
        cpu_ns_(raw.cpu_ns), instance_(instance), description_(std::move(description)) {
    values_.reserve(raw.value_count);
    for (size_t i = 0; i < raw.value_count; i++)
      values_.emplace_back(raw.values[i]);
  }

  outcome_kind kind() const noexcept { return kind_; }
  bool returned() const noexcept { return kind_ == outcome_kind::returned; }
  explicit operator bool() const noexcept { return returned(); }

  // The results; none when the guest did not return.
  const std::vector<value> &values() const noexcept { return values_; }
  // The single result. Fails with LUCET_TYPE_MISMATCH when there is not one of this type; with a `stopped`
  // when the guest did not return.
  template <class T> lucet::returned<T> get() const {
    if (!returned()) return detail::failed_with<T>(stopped(raw(), description_, instance_));
    if (values_.size() == 1) return values_[0].as<T>();
    return detail::failed_with<T>(error(
        LUCET_TYPE_MISMATCH, "the guest returned " + std::to_string(values_.size()) + " values, expected 1"));
  }

  // LUCET_TRAP_*; 0 when the guest did not trap.
  uint32_t trap() const noexcept { return kind_ == outcome_kind::trapped ? detail_ : 0; }
  // LUCET_STOP_*; 0 when the guest was not terminated.
  uint32_t stop() const noexcept { return kind_ == outcome_kind::terminated ? detail_ : 0; }
  // The reason that was given for the termination.
  uint64_t token() const noexcept { return token_; }
  uint64_t cpu_ns() const noexcept { return cpu_ns_; }
  // One line, safe for logs: "returned", or what happened where.
  const std::string &describe() const noexcept { return description_; }

private:
  lucet_outcome raw() const noexcept {
    lucet_outcome made = {};
    made.kind = static_cast<uint32_t>(kind_);
    made.detail = detail_;
    made.token = token_;
    return made;
  }
  outcome_kind kind_;
  uint32_t detail_;
  uint64_t token_;
  uint64_t cpu_ns_;
  const lucet_instance *instance_;
  std::vector<value> values_;
  std::string description_;
};

} // namespace LUCET_MODE_
} // namespace lucet

#pragma GCC visibility pop
#endif
