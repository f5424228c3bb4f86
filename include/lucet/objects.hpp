// lucet/objects.hpp: lucet::linker, module, region and instance, which own the C objects, and lucet::func.
//
// Invariants: each object owns one C object or, moved from, none. A func is its module's: calling it needs an
// instance of that module, which keeps the code.
//
// Not here: what can be done with an instance from inside its host functions (guest.hpp).
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_OBJECTS_HPP
#define LUCET_OBJECTS_HPP

#include "host.hpp"
#include <memory>
#include <new>

#pragma GCC visibility push(default)

namespace lucet {
inline namespace LUCET_MODE_ {

// Once per process, before the first region; see lucet_signals_install.
inline returned<void> install_signals(uint32_t flags = 0) {
  return detail::checked(lucet_signals_install(flags));
}

namespace detail {
template <class C, void (*release)(C *)> class owner {
public:
  owner(owner &&other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  owner &operator=(owner &&other) noexcept {
    // Through a temporary: assigning an object to itself keeps it.
    owner taken(std::move(other));
    std::swap(held_, taken.held_);
    return *this;
  }
  owner(const owner &) = delete;
  owner &operator=(const owner &) = delete;
  ~owner() { release(held_); }
  C *get() const noexcept { return held_; }
  explicit operator bool() const noexcept { return held_ != nullptr; }

protected:
  explicit owner(C *held) noexcept : held_(held) {}

private:
  C *held_;
};
} // namespace detail

class instance;

// Host functions, globals and what instances export, by module and name.
class linker : public detail::owner<lucet_linker, lucet_linker_release> {
public:
  static returned<linker> make() {
    lucet_linker *made = nullptr;
    const lucet_status status = lucet_linker_new(&made);
    if (status) return detail::failed<linker>(status);
    return linker(made);
  }

  // A function: define<&host_add>("env", "add").
  template <auto function> returned<void> define(const char *module_name, const char *name) {
    using about = detail::callable<decltype(function)>;
    static_assert(std::is_void_v<typename about::object>,
                  "a member function needs its object: define<&T::f>(module, name, object)");
    using type = typename about::type;
    if constexpr (type::is_typed)
      return define_row(module_name, row<function>(0, name), nullptr);
    else
      return define(module_name, name, function);
  }
  // A member function: define<&server::log>("env", "log", server). The object outlives every module linked
  // with it, and is used by every thread that runs their instances.
  template <auto function, class Object>
  returned<void> define(const char *module_name, const char *name, Object &object) {
    using about = detail::callable<decltype(function)>;
    using type = typename about::type;
    static_assert(!std::is_void_v<typename about::object>,
                  "an object is given, but the function is not a member");
    static_assert(std::is_convertible_v<Object *, typename about::object *>,
                  "the object is not of the member function's class");
    if constexpr (type::is_typed) {
      typename about::object *base = &object;
      return define_row(module_name, row<function>(0, name),
                        const_cast<std::remove_const_t<typename about::object> *>(base));
    } else {
      typename about::object *base = &object;
      return define_dynamic<type>(module_name, name, [base](auto &&...each) -> typename type::result {
        return (base->*function)(std::forward<decltype(each)>(each)...);
      });
    }
  }
  template <auto function, class Object>
  returned<void> define(const char *, const char *, const Object &&) = delete; // the object would be gone

  // A lambda, or any object that can be called. It is moved here, and destroyed with the last module that
  // uses it. Several threads may call it at the same time, so it must be callable while const.
  template <class Function>
  returned<void> define(const char *module_name, const char *name, Function function) {
    using about = detail::functor<Function>;
    static_assert(about::shared,
                  "a host function must not be mutable: several threads may call it at the same time");
    return define_dynamic<typename about::type>(module_name, name, std::move(function));
  }

  // A function that runs on the guest's own stack, which is faster: it only computes, within the region's
  // leaf_stack_bytes.
  template <auto function> returned<void> define_leaf(const char *module_name, const char *name) {
    using type = typename detail::callable<decltype(function)>::type;
    static_assert(type::is_noexcept, "a leaf host function must be noexcept: it cannot end its guest");
    static_assert(!type::has_buffers,
                  "a leaf host function cannot have buffers: it cannot end its guest if they are bad");
    static_assert(type::is_typed,
                  "a leaf host function has at most 12 parameters, one result, and no lucet_v128");
    return define_row(module_name, row<function>(LUCET_LEAF, name), nullptr);
  }

  // An immutable global.
  returned<void> define_global(const char *module_name, const char *name, const value &content) {
    return detail::checked(lucet_linker_define_global(get(), module_name, name, &content.raw()));
  }
  // What an instance exports. Modules linked with it keep the instance: it can be neither reset nor released
  // (LUCET_LINKED) before they and their instances are gone, so it is declared before them.
  inline returned<void> define_instance(const char *module_name, const instance &provider);
  // Imports that are not defined trap when called, instead of failing the link.
  returned<void> trap_missing() { return detail::checked(lucet_linker_trap_missing(get())); }
  // For debugging: pointers into the guest fault once their call is over.
  returned<void> poison_views() { return detail::checked(lucet_linker_poison_views(get())); }

private:
  explicit linker(lucet_linker *made) noexcept : owner(made) {}
  template <auto function> static lucet_host_function row(uint32_t flags, const char *name) {
    using type = typename detail::callable<decltype(function)>::type;
    return detail::typed_entry<function, typename type::passed>::row(flags, name);
  }
  returned<void> define_row(const char *module_name, const lucet_host_function &row, void *data) {
    return detail::checked(lucet_linker_define(get(), module_name, &row, 1, data));
  }
  template <class Type, class Function>
  returned<void> define_dynamic(const char *module_name, const char *name, Function function) {
    using entry = detail::dynamic_entry<Function, Type, typename Type::wasm>;
    std::unique_ptr<Function> owned(new (std::nothrow) Function(std::move(function)));
    if (!owned) return detail::failed_with<void>(error(LUCET_NO_MEMORY, "no memory for a host function"));
    const lucet_status status = entry::define(get(), module_name, name, owned.get());
    if (status) return detail::failed<void>(status);
    static_cast<void>(owned.release()); // the library's from now on
    return detail::done();
  }
};

template <class Signature> class func;

// Checked and mapped code.
class module : public detail::owner<lucet_module, lucet_module_release> {
public:
  using options = lucet_load_options;

  // Loads a module file and links it. Treat module files like executables: load only what lucetc wrote.
  static returned<module> load(const char *path, const linker &with, const options *how = nullptr) {
    return made([&](lucet_module **out) { return lucet_module_load_file(path, with.get(), how, out); });
  }
  // Loads it to be looked at, and linked later.
  static returned<module> load(const char *path, const options *how = nullptr) {
    return made([&](lucet_module **out) { return lucet_module_load_file(path, nullptr, how, out); });
  }
  // From the content of a module file, which is copied.
  static returned<module> load_bytes(const void *data, size_t size, const linker &with,
                                     const options *how = nullptr) {
    return made(
        [&](lucet_module **out) { return lucet_module_load_bytes(data, size, with.get(), how, out); });
  }
  // A linked module of the same code.
  returned<module> link(const linker &with, const options *how = nullptr) const {
    return made([&](lucet_module **out) { return lucet_module_link(get(), with.get(), how, out); });
  }

  const char *build_id() const noexcept { return lucet_module_build_id(get()); }
  // An exported function: func<int32_t(int32_t, int32_t)>("sum"). Fails when the export has another type.
  template <class Signature> returned<lucet::func<Signature>> func(const char *name) const {
    return lucet::func<Signature>::find(*this, name);
  }

private:
  explicit module(lucet_module *made) noexcept : owner(made) {}
  template <class Load> static returned<module> made(Load &&load) {
    lucet_module *loaded = nullptr;
    const lucet_status status = load(&loaded);
    if (status) return detail::failed<module>(status);
    return module(loaded);
  }
};

// Slots for instances.
class region : public detail::owner<lucet_region, lucet_region_release> {
public:
  static lucet_region_config config() noexcept { return lucet_region_config_default(); }
  static returned<region> make(const lucet_region_config &how = config()) {
    lucet_region *made = nullptr;
    const lucet_status status = lucet_region_new(&how, &made);
    if (status) return detail::failed<region>(status);
    return region(made);
  }
  // One that is large enough for instances of a module.
  static returned<region> make_for(const module &fitting, lucet_region_config how = config()) {
    const lucet_status status = lucet_region_config_fit(&how, fitting.get());
    if (status) return detail::failed<region>(status);
    return make(how);
  }

private:
  explicit region(lucet_region *made) noexcept : owner(made) {}
};

// A guest that this object owns. Destroyed in one of its own host functions, it stays in its slot.
class instance : public guest {
public:
  // `data` is what guest::data and call::instance_data answer; the caller keeps it alive.
  static returned<instance> make(const region &in, const module &of, void *data = nullptr,
                                 const lucet_limits *limits = nullptr) {
    lucet_instance *made = nullptr;
    const lucet_status status = lucet_instance_new(in.get(), of.get(), data, limits, &made);
    if (status) return detail::failed<instance>(status);
    return instance(made);
  }
  instance(instance &&other) noexcept : guest(std::exchange(other.instance_, nullptr)) {}
  instance &operator=(instance &&other) noexcept {
    instance taken(std::move(other));
    std::swap(instance_, taken.instance_);
    return *this;
  }
  instance(const instance &) = delete;
  instance &operator=(const instance &) = delete;
  ~instance() { detail::ignored(lucet_instance_release(instance_)); }
  explicit operator bool() const noexcept { return instance_ != nullptr; }

  // Calls an export by its name. What the guest does is the outcome; what a host function has thrown is
  // rethrown.
  template <class... Arguments> returned<outcome> run(const char *name, Arguments... arguments) {
    const detail::packed<Arguments...> packed(arguments...);
    lucet_outcome raw = {};
    return finish(lucet_instance_run(instance_, name, packed.values, packed.count, &raw), raw);
  }
  // Calls what a reference of this instance refers to.
  template <class... Arguments> returned<outcome> run(lucet_funcref function, Arguments... arguments) {
    const detail::packed<Arguments...> packed(arguments...);
    lucet_outcome raw = {};
    return finish(lucet_instance_call_funcref(instance_, function, packed.values, packed.count, &raw), raw);
  }
  // Runs the start function, if there is one and it has not run yet. Optional.
  returned<outcome> start() {
    lucet_outcome raw = {};
    return finish(lucet_instance_start(instance_, &raw), raw);
  }
  // Goes on with a guest that was suspended, the results being those of its host function; or with one that
  // was preempted, without results. From any thread.
  template <class... Results> returned<outcome> resume(Results... results) {
    const detail::packed<Results...> packed(results...);
    lucet_outcome raw = {};
    return finish(lucet_instance_resume(instance_, packed.values, packed.count, &raw), raw);
  }
  // Asks the guest's cabi_realloc for memory. Answers the address.
  returned<uint64_t> alloc(size_t size, size_t align) {
    uint64_t address = 0;
    lucet_outcome raw = {};
    const lucet_status status = lucet_instance_alloc(instance_, size, align, &address, &raw);
    if (!status) return address;
    const error why = error::latest(status);
    detail::rethrow_thrown(instance_, raw);
    return detail::failed_with<uint64_t>(why);
  }
  // As it was when new, whatever the guest did.
  returned<void> reset() { return detail::checked(lucet_instance_reset(instance_)); }
  returned<void> set_limits(const lucet_limits &limits) {
    return detail::checked(lucet_instance_set_limits(instance_, &limits));
  }

private:
  explicit instance(lucet_instance *made) noexcept : guest(made) {}
  returned<outcome> finish(lucet_status status, const lucet_outcome &raw) {
    if (status) return detail::failed<outcome>(status);
    return detail::outcome_of(*this, raw);
  }
};

inline returned<void> linker::define_instance(const char *module_name, const instance &provider) {
  return detail::checked(lucet_linker_define_instance(get(), module_name, provider.get()));
}

// An exported function with its type, which a guest's instance is entered with fastest. Good while its
// module, or an instance of it, lives. Any thread may use it.
template <class R, class... P> class func<R(P...)> {
  static_assert(
      std::is_void_v<R> || (detail::is_scalar<R> && !std::is_same_v<R, lucet_v128>),
      "not a result of a typed export: use void, (u)int32_t, (u)int64_t, float, double, lucet_funcref or "
      "lucet_externref; for several results or lucet_v128, use instance::run");
  static_assert(
      ((detail::is_scalar<P> && !std::is_same_v<P, lucet_v128>)&&...),
      "not a parameter of a typed export: use (u)int32_t, (u)int64_t, float, double, lucet_funcref or "
      "lucet_externref; for lucet_v128, use instance::run");
  static_assert(sizeof...(P) <= 12, "at most 12 parameters: use instance::run");

public:
  // Fails with LUCET_NOT_FOUND; LUCET_TYPE_MISMATCH: it has another type, or the module is not linked.
  static returned<func> find(const lucet::module &in, const char *name) {
    const lucet_func *there = nullptr;
    const lucet_status status = lucet_module_func(in.get(), name, &there);
    if (status) return detail::failed<func>(status);
    func found;
    if (!lucet_detail::typed<R, P...>::find(found.entry_, in.get(), name))
      return detail::failed<func>(LUCET_TYPE_MISMATCH);
    return found;
  }
  // The result. Fails as `stopped` when the guest trapped or was terminated; rethrows what a host function
  // has thrown. Fails with LUCET_BAD_STATE when the guest was not entered; what() says why.
  // For a guest that waits, `stopped` has no token: its host function knows it, and instance::run tells.
  // An argument that does not fit its parameter's type whatever it is, 2.5 or an int64_t for an int32_t, does not compile.
  returned<R> operator()(instance &in, detail::passed<P>... arguments) const {
    if constexpr (std::is_void_v<R>) {
      const uint32_t kind = entry_(in.get(), nullptr, arguments...);
      if (kind == LUCET_RETURNED) return detail::done();
      return ended(in, kind);
    } else {
      R result{};
      const uint32_t kind = entry_(in.get(), &result, arguments...);
      if (kind == LUCET_RETURNED) return result;
      return ended(in, kind);
    }
  }

private:
  func() noexcept = default;
  static returned<R> ended(instance &in, uint32_t kind) {
    lucet_outcome raw = {};
    if (kind == LUCET_SUSPENDED || kind == LUCET_PREEMPTED) {
      // Another thread may have resumed it already: its outcome is not this thread's to read.
      raw.kind = kind;
      return detail::failed_with<R>(stopped(raw, detail::description_of(in, kind), in.get()));
    }
    // Why a typed entry has not entered the guest is only in the sentence, which must be copied before the
    // next call.
    const error why = kind == LUCET_NOT_RUN ? error::latest(LUCET_BAD_STATE) : error(LUCET_OK, "");
    const lucet_status status = lucet_instance_outcome(in.get(), &raw);
    if (status) return detail::failed<R>(status);
    if (kind == LUCET_NOT_RUN) return detail::failed_with<R>(why);
    detail::rethrow_thrown(in.get(), raw);
    return detail::failed_with<R>(stopped(raw, in.describe(), in.get()));
  }
  uint32_t (*entry_)(lucet_instance *, R *, P...) = nullptr;
};

} // namespace LUCET_MODE_
} // namespace lucet

#pragma GCC visibility pop
#endif
