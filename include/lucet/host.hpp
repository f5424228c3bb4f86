// lucet/host.hpp: C++ functions as host functions: their types are deduced, their buffers checked, their
// exceptions stopped.
//
// A host function may take a `lucet::call &` first. Its parameters are values (see is_scalar in value.hpp)
// and buffers; a buffer takes two i32 of the guest: address and number of elements. All buffers are checked
// before the function runs; if one is outside of memory 0 or not aligned, if one that is written to overlaps another
// one, or a string_view is not UTF-8, the guest traps with LUCET_TRAP_HOST_ARGUMENT and the function does not run. It returns nothing, a value, or a tuple or
// pair of values.
//
// Invariants: what is registered is noexcept, so that nothing unwinds into guest frames: with exceptions off,
// one that comes through ends the program. An exception is kept in a slot of the thread from the throw until
// the entry ends; no other host function can run on the thread in between.
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_HOST_HPP
#define LUCET_HOST_HPP

#include "guest.hpp"
#include <array>
#include <tuple>

#pragma GCC visibility push(default)

namespace lucet {
inline namespace LUCET_MODE_ {
namespace detail {

template <class> constexpr bool never = false;

// ---- parameters: which wasm values make one, and how ----

// A range of the guest's memory while a call is made ready.
struct range {
  uint64_t first = 0, end = 0;
  bool written = false;
};
inline bool overlap(const range &one, const range &other) noexcept {
  return (one.written || other.written) && one.first < other.end && other.first < one.end && one.first < one.end &&
         other.first < other.end;
}

// Elements as C passes them.
template <class Element> struct elements {
  Element *data;
  size_t count;
};

template <class P> struct parameter {
  static_assert(!std::is_same_v<P, call &>,
                "lucet::call & can only be the first parameter of a host function");
  static_assert(!std::is_same_v<std::decay_t<P>, call> || std::is_same_v<P, call &>,
                "take the call as lucet::call &");
  static_assert(
      is_scalar<P> || std::is_same_v<std::decay_t<P>, call>,
      "not a type for a host function's parameter: use (u)int32_t, (u)int64_t, float, double, lucet_funcref, "
      "lucet_externref or lucet_v128 by value, or lucet::bytes, lucet::mutable_bytes, lucet::buffer<T> or std::string_view");
  using wasm = std::tuple<P>;
  using row = P;
  using passed = P;
  static constexpr bool is_buffer = false;
  P held{};
  void take(const P &from) noexcept { held = from; }
  template <size_t At, class Wasm> bool load(lucet_call *, const Wasm &from, range &) noexcept {
    held = std::get<At>(from);
    return true;
  }
};

// View is what the function takes; View(data, count) makes one.
template <class View> struct buffer_parameter {
  using element = std::remove_pointer_t<decltype(std::declval<View>().data())>;
  static constexpr bool writable = !std::is_const_v<element>;
  static constexpr bool is_text = std::is_same_v<View, std::string_view>;
  static_assert(std::is_trivially_copyable_v<std::remove_cv_t<element>> &&
                    !std::is_same_v<std::remove_cv_t<element>, bool>,
                "elements of a guest's memory are trivially copyable, and not bool, which may not be any byte");
  static_assert(!std::is_pointer_v<element> && !std::is_member_pointer_v<element>,
                "elements of a guest's memory are no pointers: what it calls an address is an offset in its memory");
  using wasm = std::tuple<uint32_t, uint32_t>;
  // What the row of a typed function says of it, and what C passes then.
  using row = std::conditional_t<
      is_text, lucet_string,
      lucet_detail::slice<elements<element>, writable ? LUCET_CHECK_READ | LUCET_CHECK_WRITE : LUCET_CHECK_READ>>;
  using passed = std::conditional_t<is_text, lucet_string, elements<element>>;
  static constexpr bool is_buffer = true;
  View held{};
  void take(const lucet_string &from) noexcept { held = View(from.data, from.size); }
  template <class Element> void take(const elements<Element> &from) noexcept { held = View(from.data, from.count); }
  template <size_t At, class Wasm> bool load(lucet_call *raw, const Wasm &from, range &where) noexcept {
    const uint32_t address = std::get<At>(from), count = std::get<At + 1>(from);
    const uint64_t size = uint64_t{count} * sizeof(element);
    lucet_instance *instance = lucet_call_instance(raw);
    where = {address, address + size, writable};
    if (address % alignof(element)) return false;
    if constexpr (writable) {
      uint8_t *data = nullptr;
      if (lucet_instance_view_mut(instance, 0, address, size, &data)) return false;
      held = View(reinterpret_cast<element *>(data), count);
    } else {
      const uint8_t *data = nullptr;
      if (lucet_instance_view(instance, 0, address, size, &data)) return false;
      held = View(reinterpret_cast<element *>(data), count);
      if constexpr (is_text) return is_utf8(bytes(data, count));
    }
    return true;
  }
};
template <class Element> struct parameter<buffer<Element>> : buffer_parameter<buffer<Element>> {};
template <> struct parameter<std::string_view> : buffer_parameter<std::string_view> {};
#if LUCET_SPAN_
template <class Element> struct parameter<std::span<Element>> : buffer_parameter<std::span<Element>> {};
#endif

// ---- results: which wasm values they are ----

template <class R> struct returning {
  static_assert(is_scalar<R>,
                "not a type for a host function's result: use void, (u)int32_t, (u)int64_t, float, double, "
                "lucet_funcref, lucet_externref or lucet_v128, or a std::tuple or std::pair of these");
  static constexpr std::array<lucet_type, 1> types{type_of<R>()};
  static void store(const R &from, lucet_value *to) noexcept { to[0] = pack(from); }
};
template <> struct returning<void> {
  static constexpr std::array<lucet_type, 0> types{};
};
template <class... Rs> struct returning<std::tuple<Rs...>> {
  static_assert((is_scalar<Rs> && ...),
                "not a type for a host function's result: the tuple holds something that is no "
                "WebAssembly type");
  static constexpr std::array<lucet_type, sizeof...(Rs)> types{type_of<Rs>()...};
  static void store(const std::tuple<Rs...> &from, lucet_value *to) noexcept {
    std::apply([&to](const Rs &...each) { ((*to++ = pack(each)), ...); }, from);
  }
};
template <class A, class B> struct returning<std::pair<A, B>> : returning<std::tuple<A, B>> {};

// ---- signatures ----

template <class Wasm> constexpr bool typed_suits = false;
template <class... W>
constexpr bool typed_suits<std::tuple<W...>> = sizeof...(W) <= 12 && !(std::is_same_v<W, lucet_v128> || ...);

template <class R, bool takes_call, bool no_throw, class... P> struct signature {
  using result = R;
  using wasm = decltype(std::tuple_cat(std::declval<typename parameter<P>::wasm>()...));
  using passed = std::tuple<typename parameter<P>::passed...>;
  using row = std::tuple<typename parameter<P>::row...>;
  static constexpr bool is_noexcept = no_throw;
  static constexpr bool has_buffers = (parameter<P>::is_buffer || ...);
  // Whether a C function with the guest's types can be registered; else it is called with arrays.
  static constexpr bool is_typed =
      typed_suits<passed> && !std::is_same_v<R, lucet_v128> && (std::is_void_v<R> || is_scalar<R>);

  // Calls `function`, or has the guest trap.
  template <class Function> static R invoke(lucet_call *raw, Function &&function, const wasm &from) {
    return load(raw, function, from, std::index_sequence_for<P...>());
  }
  // Calls `function` with what has been checked already.
  template <class Function> static R invoke_checked(lucet_call *raw, Function &&function, const passed &from) {
    return take(raw, function, from, std::index_sequence_for<P...>());
  }

private:
  static constexpr size_t offset(size_t of) noexcept {
    constexpr size_t sizes[] = {std::tuple_size_v<typename parameter<P>::wasm>..., 0};
    size_t sum = 0;
    for (size_t i = 0; i < of; i++)
      sum += sizes[i];
    return sum;
  }
  template <class Function, size_t... I>
  static R load(lucet_call *raw, Function &function, const wasm &from, std::index_sequence<I...>) {
    std::tuple<parameter<P>...> loaded;
    range ranges[sizeof...(P) + 1];
    bool good = (std::get<I>(loaded).template load<offset(I)>(raw, from, ranges[I]) && ...);
    for (size_t i = 0; i < sizeof...(P); i++)
      for (size_t j = 0; j < i; j++)
        good = good && !overlap(ranges[i], ranges[j]);
    if (!good) {
      ignored(lucet_call_trap(raw, LUCET_TRAP_HOST_ARGUMENT));
      return R();
    }
    (void)from;
    (void)ranges;
    return call_with(raw, function, loaded, std::index_sequence<I...>());
  }
  template <class Function, size_t... I>
  static R take(lucet_call *raw, Function &function, const passed &from, std::index_sequence<I...>) {
    std::tuple<parameter<P>...> taken;
    (std::get<I>(taken).take(std::get<I>(from)), ...);
    (void)from;
    return call_with(raw, function, taken, std::index_sequence<I...>());
  }
  template <class Function, size_t... I>
  static R call_with(lucet_call *raw, Function &function, std::tuple<parameter<P>...> &loaded,
                     std::index_sequence<I...>) {
    (void)raw;
    (void)loaded;
    if constexpr (takes_call) {
      call here(raw);
      return function(here, std::get<I>(loaded).held...);
    } else {
      return function(std::get<I>(loaded).held...);
    }
  }
};

template <class R, bool no_throw, class... P> struct signature_of {
  using type = signature<R, false, no_throw, P...>;
};
template <class R, bool no_throw, class... P> struct signature_of<R, no_throw, call &, P...> {
  using type = signature<R, true, no_throw, P...>;
};

// What a callable is: for functions and members of `object`. `shared` says whether several threads may call
// it at a time.
template <class F> struct callable {
  static_assert(never<F>,
                "not a host function: expected a function, a member function, or an object with one "
                "operator() that is not a template");
};
#define LUCET_CALLABLE_(Noexcept, value)                                                                     \
  template <class R, class... P> struct callable<R (*)(P...) Noexcept> {                                     \
    using type = typename signature_of<R, value, P...>::type;                                                \
    using object = void;                                                                                     \
    static constexpr bool shared = true;                                                                     \
  };                                                                                                         \
  template <class R, class C, class... P> struct callable<R (C::*)(P...) Noexcept> {                         \
    using type = typename signature_of<R, value, P...>::type;                                                \
    using object = C;                                                                                        \
    static constexpr bool shared = false;                                                                    \
  };                                                                                                         \
  template <class R, class C, class... P> struct callable<R (C::*)(P...) const Noexcept> {                   \
    using type = typename signature_of<R, value, P...>::type;                                                \
    using object = const C;                                                                                  \
    static constexpr bool shared = true;                                                                     \
  };
LUCET_CALLABLE_(, false)
LUCET_CALLABLE_(noexcept, true)
#undef LUCET_CALLABLE_

template <class F, class = void> struct functor : callable<F> {};
template <class F>
struct functor<F, std::void_t<decltype(&F::operator())>> : callable<decltype(&F::operator())> {};

// ---- the boundary ----

#if LUCET_EXCEPTIONS_
// Whether the calling guest ends as its callback has ended, which is what the exception tells. Not so when it
// is about another guest, or when the host has said keep.
inline bool ends_alike(lucet_call *raw, const stopped &ended) noexcept {
  if (ended.instance() != lucet_call_instance(raw)) return false;
  // This never enters the guest: null is refused too, but after the state.
  return lucet_call_funcref(raw, lucet_funcref{0}, nullptr, 0, nullptr) == LUCET_BAD_STATE;
}

// To be called while an exception is handled: keeps it for the end of the entry.
inline void keep_thrown(lucet_call *raw) noexcept {
  pending &slot = thrown();
  slot.what = std::current_exception();
  slot.instance = lucet_call_instance(raw);
  ignored(lucet_call_terminate(raw, exception_token));
}
#endif

// Runs `body` with its exceptions stopped: the guest ends when the host function returns.
template <class R, class Body> R guarded(lucet_call *raw, Body &&body) noexcept {
#if LUCET_EXCEPTIONS_
  try {
    return body();
  } catch (const guest_fault &fault) {
    // A number that is no trap is the host's mistake, and must not let the guest go on.
    if (lucet_call_trap(raw, fault.trap())) ignored(lucet_call_trap(raw, LUCET_TRAP_HOST));
  } catch (const stopped &ended) {
    if (!ends_alike(raw, ended)) keep_thrown(raw);
  } catch (...) {
    keep_thrown(raw);
  }
  return R();
#else
  (void)raw;
  return body();
#endif
}

// What C calls, with the guest's own values, and with buffers that have been checked.
template <auto function, class Passed> struct typed_entry;
template <auto function, class... W> struct typed_entry<function, std::tuple<W...>> {
  using about = callable<decltype(function)>;
  using type = typename about::type;
  using R = typename type::result;
  static R enter(lucet_call *raw, W... wasm) noexcept {
    return guarded<R>(raw, [&] {
      if constexpr (std::is_void_v<typename about::object>) {
        return type::invoke_checked(raw, function, std::tuple<W...>(wasm...));
      } else {
        auto *object = static_cast<typename about::object *>(lucet_call_data(raw));
        auto bound = [object](auto &&...each) -> R {
          return (object->*function)(std::forward<decltype(each)>(each)...);
        };
        return type::invoke_checked(raw, bound, std::tuple<W...>(wasm...));
      }
    });
  }
  static lucet_host_function row(uint32_t flags, const char *name) noexcept {
    return row_of(flags, name, static_cast<typename type::row *>(nullptr));
  }

private:
  template <class... Rows>
  static lucet_host_function row_of(uint32_t flags, const char *name, std::tuple<Rows...> *) noexcept {
    return lucet_detail::typed<R, Rows...>::row(flags, name, enter);
  }
};

// What C calls with arrays. F is called as a const object.
template <class F, class Type, class Wasm> struct dynamic_entry;
template <class F, class Type, class... W> struct dynamic_entry<F, Type, std::tuple<W...>> {
  using R = typename Type::result;
  static void enter(lucet_call *raw, void *data, const lucet_value *from, lucet_value *to) noexcept {
    const F &function = *static_cast<const F *>(data);
    guarded<void>(raw, [&] {
      (void)to;
      if constexpr (std::is_void_v<R>)
        Type::invoke(raw, function, load(from, std::index_sequence_for<W...>()));
      else
        returning<R>::store(Type::invoke(raw, function, load(from, std::index_sequence_for<W...>())), to);
    });
  }
  static void release(void *data) noexcept { delete static_cast<F *>(data); }
  // Takes `function` when it succeeds.
  static lucet_status define(lucet_linker *linker, const char *module_name, const char *name, F *function) {
    static constexpr lucet_type parameters[] = {type_of<W>()..., LUCET_VOID};
    constexpr auto &results = returning<R>::types;
    return lucet_linker_define_dynamic(linker, module_name, name, parameters, sizeof...(W), results.data(),
                                       results.size(), enter, function, release);
  }

private:
  template <size_t... I>
  static std::tuple<W...> load(const lucet_value *from, std::index_sequence<I...>) noexcept {
    (void)from;
    return std::tuple<W...>(unpack<W>(from[I])...);
  }
};

} // namespace detail
} // namespace LUCET_MODE_
} // namespace lucet

#pragma GCC visibility pop
#endif
