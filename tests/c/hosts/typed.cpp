// typed.cpp: a C++17 host: deduced host functions, handles that release themselves, an exception that stops
// at the boundary and goes on behind the guest, a lambda with captures, a refused import. Shows that lucet.h
// suffices. Usage: typed MODULE
#include <lucet.h>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace host {
inline void check(lucet_status status) {
  if (status) throw std::runtime_error(lucet_last_error());
}

template <auto release> struct deleter {
  template <class Object> void operator()(Object *object) const { static_cast<void>(release(object)); }
};
using linker = std::unique_ptr<lucet_linker, deleter<lucet_linker_release>>;
using module = std::unique_ptr<lucet_module, deleter<lucet_module_release>>;
using region = std::unique_ptr<lucet_region, deleter<lucet_region_release>>;
using instance = std::unique_ptr<lucet_instance, deleter<lucet_instance_release>>;

inline linker new_linker() {
  lucet_linker *made = nullptr;
  check(lucet_linker_new(&made));
  return linker(made);
}
inline module load(const char *path, const linker &with) {
  lucet_module *made = nullptr;
  check(lucet_module_load_file(path, with.get(), nullptr, &made));
  return module(made);
}
inline instance make(const region &in, const module &of, void *data) {
  lucet_instance *made = nullptr;
  check(lucet_instance_new(in.get(), of.get(), data, nullptr, &made));
  return instance(made);
}

// What a host function threw, kept with the instance until the guest has been left.
struct thrown {
  std::exception_ptr what;
};

template <auto function> struct safe;
template <class Result, class... Types, Result (*function)(lucet_instance *, Types...)>
struct safe<function> {
  static Result call(lucet_call *call, Types... arguments) noexcept {
    try {
      return function(lucet_call_instance(call), arguments...);
    } catch (...) {
      static_cast<thrown *>(lucet_call_instance_data(call))->what = std::current_exception();
      static_cast<void>(lucet_call_terminate(call, 1));
      if constexpr (!std::is_void_v<Result>) return Result{};
    }
  }
  static lucet_host_function row(const char *name) { return LUCET_HOST(name, call, Result, Types...); }
};

// A closure over i32s, through the dynamic form.
template <std::size_t... Index>
int32_t apply(std::function<int32_t(int32_t, int32_t)> &closure, const lucet_value *arguments,
              std::index_sequence<Index...>) {
  return closure(arguments[Index].of.i32...);
}
void closure_call(lucet_call *, void *data, const lucet_value *arguments, lucet_value *results) {
  auto &closure = *static_cast<std::function<int32_t(int32_t, int32_t)> *>(data);
  results[0] = lucet_value_i32(apply(closure, arguments, std::make_index_sequence<2>()));
}
} // namespace host

static int32_t checked_add(lucet_instance *, int32_t left, int32_t right) {
  if (left == 13) throw std::runtime_error("unlucky");
  return left + right;
}

static void exceptions(const char *path, const host::region &region) {
  host::linker linker = host::new_linker();
  const lucet_host_function rows[] = {host::safe<&checked_add>::row("add")};
  host::check(lucet_linker_define(linker.get(), "env", rows, 1, nullptr));
  host::module module = host::load(path, linker);
  host::thrown thrown;
  host::instance guest = host::make(region, module, &thrown);
  LUCET_ENTRY(sum, int32_t, int32_t, int32_t);
  int32_t result = 0;
  if (!LUCET_FIND(sum, module.get(), "sum", int32_t, int32_t, int32_t))
    throw std::runtime_error(lucet_last_error());
  if (sum(guest.get(), &result, 20, 22) == LUCET_RETURNED) std::printf("typed: %d\n", result);
  if (sum(guest.get(), &result, 13, 22) != LUCET_RETURNED && thrown.what) {
    try {
      std::rethrow_exception(std::exchange(thrown.what, nullptr));
    } catch (const std::exception &caught) {
      std::printf("rethrown: %s\n", caught.what());
    }
  }
}

static void closures(const char *path, const host::region &region) {
  int calls = 0;
  std::function<int32_t(int32_t, int32_t)> add = [&calls](int32_t left, int32_t right) {
    ++calls;
    return left + right;
  };
  host::linker linker = host::new_linker();
  const lucet_type parameters[] = {LUCET_I32, LUCET_I32}, results[] = {LUCET_I32};
  host::check(lucet_linker_define_dynamic(linker.get(), "env", "add", parameters, 2, results, 1,
                                          host::closure_call, &add, nullptr));
  host::module module = host::load(path, linker);
  host::instance guest = host::make(region, module, nullptr);
  const lucet_value arguments[] = {lucet_value_i32(1), lucet_value_i32(2)};
  lucet_outcome outcome;
  host::check(lucet_instance_run(guest.get(), "sum", arguments, 2, &outcome));
  std::printf("closure: %d, called %d time\n", outcome.values[0].of.i32, calls);
}

static void refused(const char *path) {
  host::linker linker = host::new_linker();
  host::check(LUCET_DEFINE(linker.get(), "env", nullptr,
                           LUCET_HOST(
                               "add", +[](lucet_call *, int64_t left, int64_t) -> int64_t { return left; },
                               int64_t, int64_t, int64_t)));
  lucet_module *module = nullptr;
  if (lucet_module_load_file(path, linker.get(), nullptr, &module))
    std::printf("refused: %s\n", lucet_last_error());
}

int main(int argc, char **argv) try {
  if (argc != 2) return 2;
  auto config = lucet_region_config_default();
  config.instances = 4;
  lucet_region *made = nullptr;
  host::check(lucet_signals_install(0));
  host::check(lucet_region_new(&config, &made));
  host::region region(made);
  exceptions(argv[1], region);
  closures(argv[1], region);
  refused(argv[1]);
  return 0;
} catch (const std::exception &caught) {
  std::fprintf(stderr, "%s\n", caught.what());
  return 1;
}
