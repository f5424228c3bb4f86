// Exceptions in host functions: stopped at the boundary, rethrown from every kind of entry; faults of the
// guest, which become traps instead.
#include "../harness.hpp"
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {
int destroyed = 0;
struct local {
  ~local() { destroyed++; }
};
struct own_type { // not a std::exception
  int number;
};

int32_t act(lucet::call &call, int32_t what) {
  local unwound;
  switch (what) {
  case 1:
    throw std::runtime_error("unlucky");
  case 2:
    throw own_type{77};
  case 3:
    throw lucet::guest_fault(LUCET_TRAP_RESOURCE);
  case 4:
    throw lucet::guest_fault(12345); // no such trap
  case 5:
    return static_cast<int32_t>(call.bytes(65530, 7).size());
  case 6:
    return static_cast<int32_t>(call.mutable_bytes(uint64_t(1) << 40, 0).size());
  case 7:
    return static_cast<int32_t>(call.guest().view(65530, 7).size());
  case 8:
    call.terminate(99);
    return 0;
  case 9:
    call.trap(LUCET_TRAP_EXCEPTION);
    return 0;
  case 10:
    call.trap();
    throw std::logic_error("after a trap");
  case 12:
    call.suspend(55);
    return 0;
  case 13:
    call.suspend(55);
    throw std::runtime_error("after all");
  case 14: // throws when the slice is long over
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    throw std::runtime_error("slow");
  case 11:
    call.terminate(lucet::exception_token);
    return 0; // without an exception
  }
  return what;
}

// Calls back with one less; at 0 something is thrown below.
int32_t again(lucet::call &call, int32_t depth) {
  local unwound;
  if (depth == 100) { // a callback's exception that is dealt with here
    try {
      call.run("act", 1);
    } catch (const std::runtime_error &) {
      call.guest().keep();
      return 1234;
    }
  }
  if (depth == 101) { // one that is caught, and nothing else
    try {
      call.run("act", 1);
    } catch (const std::runtime_error &) {
    }
    return 1;
  }
  if (depth == 102) return call.run("trap").returned();
  if (depth == 103) return call.run("trap").get<int32_t>(); // throws lucet::stopped
  if (depth == 105) return call.run("act", 12).get<int32_t>();
  if (depth == 106) {
    const lucet::outcome below = call.run("trap");
    call.guest().keep();
    return below.get<int32_t>();
  }
  if (depth == 104) return call.run("act", 8).get<int32_t>();
  if (depth >= 200) return call.run("again", depth).get<int32_t>(); // for ever
  if (depth == 0) throw std::runtime_error("at the bottom");
  const lucet::outcome below = call.run("again", depth - 1);
  return below.get<int32_t>();
}

struct setup {
  lucet::linker linker = lucet::linker::make();
  lucet::region region = lucet::region::make();
  lucet::module module;
  lucet::instance guest;
  explicit setup(bool lambdas) : module(load(lambdas)), guest(lucet::instance::make(region, module)) {}
  lucet::module load(bool lambdas) {
    if (lambdas) {
      linker.define("env", "act", [](lucet::call &call, int32_t what) { return act(call, what); });
      linker.define("env", "again", [](lucet::call &call, int32_t depth) { return again(call, depth); });
    } else {
      linker.define<&act>("env", "act");
      linker.define<&again>("env", "again");
    }
    return lucet::module::load(harness::guest("throw").c_str(), linker);
  }
};

void from_run(setup &s) {
  destroyed = 0;
  THROWS(std::runtime_error, "unlucky", s.guest.run("act", 1));
  CHECK(destroyed == 1);
  // The guest went no further, and must be reset.
  CHECK(s.guest.global<int32_t>("after") == 1);
  FAILS(LUCET_NEEDS_RESET, "", s.guest.run("fine"));
  s.guest.reset();
  CHECK(s.guest.run("fine").get<int32_t>() == 5);
  int number = 0;
  try {
    (void)s.guest.run("act", 2);
  } catch (const own_type &caught) {
    number = caught.number;
  }
  CHECK(number == 77);
  s.guest.reset();
  THROWS(std::logic_error, "after a trap", s.guest.run("act", 10));
  s.guest.reset();
  // An error of the host's, though the guest caused it: the host asked for it in its own name.
  FAILS(LUCET_OUT_OF_BOUNDS, "", s.guest.run("act", 7));
  s.guest.reset();
}

void from_other_entries(setup &s) {
  auto act_typed = s.module.func<int32_t(int32_t)>("act");
  THROWS(std::runtime_error, "unlucky", act_typed(s.guest, 1));
  FAILS(LUCET_BAD_STATE, "reset", act_typed(s.guest, 0));
  s.guest.reset();
  CHECK(act_typed(s.guest, 30) == 30);
  THROWS(std::runtime_error, "unlucky", s.guest.alloc(10, 1));
  s.guest.reset();
}

uint32_t trap_of(lucet::instance &guest, int32_t what) {
  const lucet::outcome ended = guest.run("act", what);
  guest.reset();
  return ended.trap();
}

void faults(setup &s) {
  CHECK(trap_of(s.guest, 3) == LUCET_TRAP_RESOURCE);
  CHECK(trap_of(s.guest, 4) == LUCET_TRAP_HOST);
  CHECK(trap_of(s.guest, 5) == LUCET_TRAP_HOST_ARGUMENT);
  CHECK(trap_of(s.guest, 6) == LUCET_TRAP_HOST_ARGUMENT);
  CHECK(trap_of(s.guest, 9) == LUCET_TRAP_EXCEPTION);
  const lucet::outcome ended = s.guest.run("act", 8);
  CHECK(ended.kind() == lucet::outcome_kind::terminated && ended.stop() == LUCET_STOP_HOST &&
        ended.token() == 99);
  CHECK(ended.trap() == 0 && !ended && ended.values().empty());
  CONTAINS(ended.describe(), "99");
  THROWS(lucet::stopped, "terminated", ended.get<int32_t>());
  s.guest.reset();
  CHECK(s.guest.run("act", 11).token() == lucet::exception_token);
  s.guest.reset();
}

void callbacks(setup &s) {
  destroyed = 0;
  THROWS(std::runtime_error, "at the bottom", s.guest.run("again", 5));
  CHECK(destroyed == 6);
  s.guest.reset();
  CHECK(s.guest.run("again", 100).get<int32_t>() == 1234);
  // Caught, but not kept: the outer guest ends as the inner one did, and there is nothing to rethrow.
  const lucet::outcome swallowed = s.guest.run("again", 101);
  CHECK(swallowed.stop() == LUCET_STOP_HOST);
  s.guest.reset();
  CHECK(s.guest.run("again", 102).trap() == LUCET_TRAP_UNREACHABLE);
  s.guest.reset();
  const lucet::outcome trapped = s.guest.run("again", 103);
  CHECK(trapped.trap() == LUCET_TRAP_UNREACHABLE);
  CONTAINS(trapped.describe(), "in function 6"); // the one that trapped, not the host function around it
  s.guest.reset();
  // Kept, then thrown all the same: the guest must not go on, and the exception is the host's.
  THROWS(lucet::stopped, "unreachable", s.guest.run("again", 106));
  s.guest.reset();
  CHECK(s.guest.run("again", 104).token() == 99);
  s.guest.reset();
  // A guest that wants too many callbacks has trapped; that is no exception of the host's.
  CHECK(s.guest.run("again", 200).trap() == LUCET_TRAP_DEPTH);
  s.guest.reset();
}

void through_the_c_interface(setup &s) {
  // Entered as C does: nothing is rethrown, the outcome says what it was, and nothing is left for the next
  // entry.
  lucet_outcome ended;
  const lucet_value one = lucet_value_i32(1), eleven = lucet_value_i32(11);
  CHECK(lucet_instance_run(s.guest.get(), "act", &one, 1, &ended) == LUCET_OK);
  CHECK(ended.kind == LUCET_TERMINATED && ended.token == lucet::exception_token);
  s.guest.reset();
  CHECK(s.guest.run("act", 8).token() == 99);
  s.guest.reset();
  auto other = lucet::instance::make(s.region, s.module);
  CHECK(other.run("act", 11).token() == lucet::exception_token);
  CHECK(lucet_instance_run(s.guest.get(), "act", &eleven, 1, &ended) == LUCET_OK);
  s.guest.reset();
}

void start_functions(const lucet::region &region) {
  auto linker = lucet::linker::make();
  bool throws = true;
  linker.define("env", "begin", [&throws] {
    if (throws) throw std::runtime_error("at the start");
  });
  auto module = lucet::module::load(harness::guest("start").c_str(), linker);
  auto guest = lucet::instance::make(region, module);
  THROWS(std::runtime_error, "at the start", guest.start());
  guest.reset();
  THROWS(std::runtime_error, "at the start", guest.run("nothing"));
  guest.reset();
  THROWS(std::runtime_error, "at the start", module.func<void()>("nothing")(guest));
  guest.reset();
  throws = false;
  module.func<void()>("nothing")(guest);
  CHECK(guest.start().returned());
}

void waiting(setup &s) {
  lucet::outcome ended = s.guest.run("act", 12);
  CHECK(ended.kind() == lucet::outcome_kind::suspended && ended.token() == 55 && !ended);
  CHECK(ended.describe() == "suspended by a host function");
  THROWS(lucet::stopped, "suspended", ended.get<int32_t>());
  FAILS(LUCET_BAD_STATE, "", s.guest.run("fine"));
  FAILS(LUCET_TYPE_MISMATCH, "", s.guest.resume(1.5));
  std::thread([&] { ended = s.guest.resume(41); }).join();
  CHECK(ended.get<int32_t>() == 41);
  CHECK(s.guest.global<int32_t>("after") == 2);
  FAILS(LUCET_BAD_STATE, "", s.guest.resume());
  // The exception is what counts.
  THROWS(std::runtime_error, "after all", s.guest.run("act", 13));
  s.guest.reset();
  const auto act_typed = s.module.func<int32_t(int32_t)>("act");
  uint32_t kind = LUCET_NOT_RUN;
  try {
    (void)act_typed(s.guest, 12);
  } catch (const lucet::stopped &left) {
    kind = left.kind();
    CHECK(left.status() == LUCET_BAD_STATE);
    CONTAINS(left.what(), "suspended");
  }
  CHECK(kind == LUCET_SUSPENDED);
  CHECK(s.guest.resume(3).get<int32_t>() == 3);
  // A callback cannot wait: its host function gets the error.
  FAILS(LUCET_BAD_STATE, "callback", s.guest.run("again", 105));
  s.guest.reset();
}

void slices(setup &s) {
  auto guest = lucet::instance::make(s.region, s.module);
  auto limits = lucet_limits_default();
  limits.slice_ns = 1000000;
  guest.set_limits(limits);
  CHECK(guest.run("spin").kind() == lucet::outcome_kind::preempted);
  CHECK(guest.resume().kind() == lucet::outcome_kind::preempted);
  guest.reset();
  THROWS(lucet::stopped, "preempted", s.module.func<void()>("spin")(guest));
  guest.reset();
  // The slice ends in the host function that throws: the exception comes out, and on this thread. On a busy machine one may end before.
  const auto act = [&guest] {
    auto outcome = guest.run("act", 14);
    while (outcome.kind() == lucet::outcome_kind::preempted) outcome = guest.resume();
  };
  for (int i = 0; i < 20; i++) {
    THROWS(std::runtime_error, "slow", act());
    guest.reset();
  }
}

// Two guests at a time: one runs in the other's host function, and the exception passes through both.
void one_guest_in_another(setup &s) {
  auto linker = lucet::linker::make();
  lucet::instance &inner = s.guest;
  linker.define("env", "begin", [&inner] { inner.run("act", 1); });
  auto module = lucet::module::load(harness::guest("start").c_str(), linker);
  auto outer = lucet::instance::make(s.region, module);
  THROWS(std::runtime_error, "unlucky", outer.run("nothing"));
  FAILS(LUCET_NEEDS_RESET, "", inner.run("fine"));
  s.guest.reset();
  // The inner guest's trap is not the outer's: that is the host's exception.
  auto with_trap = lucet::linker::make();
  with_trap.define("env", "begin", [&inner](lucet::call &call) {
    call.trap(); // the outer guest's end is asked for, and that is not the end which the exception tells
    (void)inner.run("trap").get<int32_t>();
  });
  auto other = lucet::module::load(harness::guest("start").c_str(), with_trap);
  auto next = lucet::instance::make(s.region, other);
  THROWS(lucet::stopped, "unreachable", next.run("nothing"));
  s.guest.reset();
}

void threads(setup &s) {
  std::vector<std::thread> all;
  std::vector<int> caught(4);
  for (int &count : caught) {
    all.emplace_back([&s, &count] {
      auto guest = lucet::instance::make(s.region, s.module);
      for (int i = 0; i < 200; i++) {
        try {
          (void)guest.run("again", 3);
        } catch (const std::runtime_error &) {
          count++;
        }
        guest.reset();
      }
    });
  }
  for (std::thread &thread : all)
    thread.join();
  for (int count : caught)
    CHECK(count == 200);
}
} // namespace

int main() {
  lucet::install_signals();
  for (bool lambdas : {false, true}) {
    setup s(lambdas);
    from_run(s);
    from_other_entries(s);
    faults(s);
    callbacks(s);
    waiting(s);
    slices(s);
    through_the_c_interface(s);
    start_functions(s.region);
    one_guest_in_another(s);
    threads(s);
  }
  return harness::finish();
}
