// lucet/guest.hpp: what can be done with an instance from outside and from its host functions: lucet::guest,
// and lucet::call; and buffers in its memory.
//
// Invariants: a buffer was inside linear memory 0 when it was made. It is good until the guest runs again
// (also in a callback), grows its memory, is reset or released. A string_view was valid UTF-8 when it was
// made.
//
// Not here: making instances and entering them from outside (objects.hpp).
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_GUEST_HPP
#define LUCET_GUEST_HPP

#include "value.hpp"
#include <cstddef>
#include <string_view>
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif
#if defined(__cpp_lib_span)
#define LUCET_SPAN_ 1
#else
#define LUCET_SPAN_ 0
#endif

#pragma GCC visibility push(default)

namespace lucet {
inline namespace LUCET_MODE_ {

// Bytes of a guest's memory: what std::span<Byte> is in C++20, to which it converts.
template <class Byte> class buffer {
  static_assert(!std::is_pointer_v<Byte> && !std::is_member_pointer_v<Byte>,
                "elements of a guest's memory are no pointers: what it calls an address is an offset in its memory");

public:
  constexpr buffer() noexcept = default;
  constexpr buffer(Byte *data, size_t size) noexcept : data_(data), size_(size) {}
  template <class Other, class = std::enable_if_t<std::is_same_v<const Other, Byte>>>
  constexpr buffer(const buffer<Other> &other) noexcept : data_(other.data()), size_(other.size()) {}

  constexpr Byte *data() const noexcept { return data_; }
  constexpr size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr Byte *begin() const noexcept { return data_; }
  constexpr Byte *end() const noexcept { return data_ + size_; }
  constexpr Byte &operator[](size_t index) const {
    if (index >= size_) detail::misused("an index outside of the buffer");
    return data_[index];
  }
  // At most the first `count` bytes.
  constexpr buffer first(size_t count) const noexcept { return {data_, count < size_ ? count : size_}; }
  std::vector<uint8_t> copy() const { return {begin(), end()}; }

private:
  Byte *data_ = nullptr;
  size_t size_ = 0;
};
} // namespace LUCET_MODE_
} // namespace lucet

#if LUCET_SPAN_
// A span of a buffer outlives the buffer object: both only point.
template <class Byte> inline constexpr bool std::ranges::enable_borrowed_range<lucet::buffer<Byte>> = true;
#endif

namespace lucet {
inline namespace LUCET_MODE_ {

using bytes = buffer<const uint8_t>;
using mutable_bytes = buffer<uint8_t>;

// Whether this is UTF-8 as Unicode defines it: shortest forms, no surrogates, nothing above U+10FFFF.
inline bool is_utf8(bytes text) noexcept {
  const uint8_t *at = text.data(), *end = at + text.size();
  while (at != end) {
    const uint8_t lead = *at++;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (end - at < more) return false;
    // The first byte that follows tells overlong forms, surrogates and numbers that are too large.
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (*at < low || *at > high) return false;
    for (int i = 1; i < more; i++)
      if ((at[i] & 0xc0) != 0x80) return false;
    at += more;
  }
  return true;
}

// An instance that somebody else owns: what may be done whether it runs or not.
class guest {
public:
  explicit guest(lucet_instance *instance) noexcept : instance_(instance) {}
  lucet_instance *get() const noexcept { return instance_; }

  // All of memory 0.
  bytes memory() const noexcept {
    const lucet_memory all = lucet_instance_memory(instance_, 0);
    return {all.data, all.size};
  }
  // A range of memory 0. Fails with LUCET_OUT_OF_BOUNDS.
  returned<bytes> view(uint64_t address, uint64_t length) const {
    const uint8_t *data = nullptr;
    const lucet_status status = lucet_instance_view(instance_, 0, address, length, &data);
    if (status) return detail::failed<bytes>(status);
    return bytes(data, static_cast<size_t>(length));
  }
  returned<mutable_bytes> view_mut(uint64_t address, uint64_t length) {
    uint8_t *data = nullptr;
    const lucet_status status = lucet_instance_view_mut(instance_, 0, address, length, &data);
    if (status) return detail::failed<mutable_bytes>(status);
    return mutable_bytes(data, static_cast<size_t>(length));
  }
  // Copies all or nothing.
  returned<void> read(uint64_t address, void *to, size_t length) const {
    return detail::checked(lucet_instance_read(instance_, 0, address, to, length));
  }
  returned<void> write(uint64_t address, const void *from, size_t length) {
    return detail::checked(lucet_instance_write(instance_, 0, address, from, length));
  }
  // Grows memory 0 by pages of 64 KiB. Answers how many it had.
  returned<uint64_t> grow(uint64_t pages) {
    uint64_t old = 0;
    const lucet_status status = lucet_instance_memory_grow(instance_, 0, pages, &old);
    if (status) return detail::failed<uint64_t>(status);
    return old;
  }

  // An exported global. Fails also with LUCET_TYPE_MISMATCH.
  template <class T> returned<T> global(const char *name) const {
    lucet_value content = {};
    const lucet_status status = lucet_instance_global_get(instance_, name, &content);
    if (status) return detail::failed<T>(status);
    return value(content).as<T>();
  }
  returned<void> set_global(const char *name, const value &content) {
    return detail::checked(lucet_instance_global_set(instance_, name, &content.raw()));
  }

  // After a trap or a termination: go on without a reset. In a host function: let the outer guest go on.
  returned<void> keep() { return detail::checked(lucet_instance_keep(instance_)); }
  // The latest outcome in one line.
  std::string describe() const {
    std::string line(lucet_instance_describe(instance_, nullptr, 0), '\0');
    // The string's own NUL is the one that is written behind the line.
    if (!line.empty()) lucet_instance_describe(instance_, &line[0], line.size() + 1);
    return line;
  }
  // What the instance was made with. T must be the type that it was made with: nothing can check that.
  template <class T> T *data() const noexcept { return static_cast<T *>(lucet_instance_data(instance_)); }

protected:
  lucet_instance *instance_;
};

namespace detail {

// The end of an entry: rethrows what a host function has thrown in it.
inline void rethrow_thrown(const lucet_instance *instance, const lucet_outcome &ended) {
#if LUCET_EXCEPTIONS_
  if (ended.kind != LUCET_TERMINATED || ended.detail != LUCET_STOP_HOST || ended.token != exception_token)
    return;
  pending &slot = thrown();
  if (slot.instance != instance || !slot.what) return;
  slot.instance = nullptr;
  std::rethrow_exception(std::exchange(slot.what, nullptr));
#else
  (void)instance;
  (void)ended;
#endif
}

// What happened in one line. A guest that waits may be another thread's already, so it is not asked.
inline std::string description_of(const guest &self, uint32_t kind) {
  switch (kind) {
  case LUCET_RETURNED:
    return "returned";
  case LUCET_SUSPENDED:
    return "suspended by a host function";
  case LUCET_PREEMPTED:
    return "preempted at the end of its slice";
  default:
    return self.describe();
  }
}

inline outcome outcome_of(const guest &self, const lucet_outcome &raw) {
  rethrow_thrown(self.get(), raw);
  return outcome(raw, description_of(self, raw.kind), self.get());
}

// Arguments as an array. One element more than needed: there may be none.
template <class... Arguments> struct packed {
  static_assert((is_scalar<Arguments> && ...),
                "not a WebAssembly type: arguments are (u)int32_t, (u)int64_t, float, double, lucet_funcref, "
                "lucet_externref or lucet_v128");
  static constexpr size_t count = sizeof...(Arguments);
  lucet_value values[count + 1];
  explicit packed(Arguments... arguments) noexcept : values{pack(arguments)..., lucet_value{}} {}
};

} // namespace detail

// One call of a host function; a parameter of it, as `lucet::call &`. Dead when the function returns.
class call {
public:
  explicit call(lucet_call *raw) noexcept : raw_(raw) {}
  call(const call &) = delete;
  call &operator=(const call &) = delete;
  lucet_call *get() const noexcept { return raw_; }

  // The instance that calls. What fails with it is the host's error, not the guest's: it is rethrown from
  // run.
  lucet::guest guest() const noexcept { return lucet::guest(lucet_call_instance(raw_)); }
  // What the instance was made with. T must be the type that it was made with: nothing can check that.
  template <class T> T *instance_data() const noexcept {
    return static_cast<T *>(lucet_call_instance_data(raw_));
  }

  // A range that the guest has named. Fails as guest_fault: left alone, the guest traps with
  // LUCET_TRAP_HOST_ARGUMENT. Without exceptions, the function sees to that with trap().
  returned<lucet::bytes> bytes(uint64_t address, uint64_t length) const {
    const uint8_t *data = nullptr;
    const lucet_status status = lucet_instance_view(lucet_call_instance(raw_), 0, address, length, &data);
    if (status) return fault<lucet::bytes>(LUCET_TRAP_HOST_ARGUMENT, status);
    return lucet::bytes(data, static_cast<size_t>(length));
  }
  returned<lucet::mutable_bytes> mutable_bytes(uint64_t address, uint64_t length) {
    uint8_t *data = nullptr;
    const lucet_status status = lucet_instance_view_mut(lucet_call_instance(raw_), 0, address, length, &data);
    if (status) return fault<lucet::mutable_bytes>(LUCET_TRAP_HOST_ARGUMENT, status);
    return lucet::mutable_bytes(data, static_cast<size_t>(length));
  }

  // Ends the guest with a trap (LUCET_TRAP_*) when the function returns.
  returned<void> trap(uint32_t code = LUCET_TRAP_HOST_ARGUMENT) {
    return detail::checked(lucet_call_trap(raw_, code));
  }
  // Terminates the guest when the function returns; the reason is the outcome's token.
  returned<void> terminate(uint64_t reason) { return detail::checked(lucet_call_terminate(raw_, reason)); }
  // Suspends the guest when the function returns; instance::resume gives what the guest sees as the result.
  returned<void> suspend(uint64_t token) { return detail::checked(lucet_call_suspend(raw_, token)); }

  // Calls an export of the calling guest. Unless guest().keep() is called, a callback that did not return
  // ends the outer guest in the same way. Rethrows what a host function has thrown below. LUCET_DEPTH is a
  // guest_fault.
  template <class... Arguments> returned<outcome> run(const char *name, Arguments... arguments) {
    const detail::packed<Arguments...> packed(arguments...);
    lucet_outcome raw = {};
    return finish(lucet_call_run(raw_, name, packed.values, packed.count, &raw), raw);
  }
  // Calls what a reference refers to, which the guest has passed.
  template <class... Arguments> returned<outcome> run(lucet_funcref function, Arguments... arguments) {
    const detail::packed<Arguments...> packed(arguments...);
    lucet_outcome raw = {};
    return finish(lucet_call_funcref(raw_, function, packed.values, packed.count, &raw), raw);
  }

private:
  template <class T> static returned<T> fault(uint32_t trap, lucet_status status) {
    return detail::failed_with<T>(guest_fault(trap, error::latest(status)));
  }
  returned<outcome> finish(lucet_status status, const lucet_outcome &raw) {
    if (status == LUCET_DEPTH) return fault<outcome>(LUCET_TRAP_DEPTH, status);
    if (status) return detail::failed<outcome>(status);
    return detail::outcome_of(guest(), raw);
  }
  lucet_call *raw_;
};

} // namespace LUCET_MODE_
} // namespace lucet

#pragma GCC visibility pop
#endif
