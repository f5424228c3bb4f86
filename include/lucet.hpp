// lucet.hpp: the C++17 face of lucet.h. Header only: link with liblucet, as in C.
//
//   int32_t host_add(int32_t left, int32_t right) { return left + right; }
//
//   lucet::install_signals();                        // once per process
//   auto linker = lucet::linker::make();
//   linker.define<&host_add>("env", "add");          // the type is deduced
//   linker.define("env", "log", [&](std::string_view text) { ... }); // in the guest's memory, and UTF-8
//   auto module = lucet::module::load("guest.so", linker);
//   auto region = lucet::region::make();
//   auto guest = lucet::instance::make(region, module);
//   lucet::outcome ended = guest.run("sum", 20, 22); // what the guest does wrong is a value
//   auto sum = module.func<int32_t(int32_t, int32_t)>("sum"); // typed, and the fastest
//   int32_t result = sum(guest, 20, 22);             // throws lucet::stopped if the guest did not return
//
// Failures are thrown as lucet::error. Without exceptions in the compiler, or with LUCET_NO_EXCEPTIONS
// defined, every function that would throw returns lucet::result<T> instead. Both modes can be linked into
// one program: their names differ by an inline namespace.
//
// Invariants: everything goes through the public functions of lucet.h, and get() gives the C object for what
// is not here. No C++ exception leaves a host function into guest frames. Objects are move-only and may be
// destroyed in any order; a moved-from object answers LUCET_NULL_ARGUMENT. Rules about threads are those of
// lucet.h.
//
// Not here: names that are not plain C strings, tables, backtraces, WASI, statistics: use get() and lucet.h.
// Namespace detail is not for users.
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef LUCET_LUCET_HPP
#define LUCET_LUCET_HPP

#include "lucet.h"
#include "lucet/error.hpp"
#include "lucet/value.hpp"
#include "lucet/guest.hpp"
#include "lucet/host.hpp"
#include "lucet/objects.hpp"

#endif
