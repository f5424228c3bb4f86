// The mode without exceptions: every failure is a lucet::result. Compiled with -fno-exceptions -fno-rtti, and
// with exceptions but LUCET_NO_EXCEPTIONS.
#include "../harness.hpp"
#include <type_traits>

namespace {
static_assert(std::is_same_v<decltype(lucet::linker::make()), lucet::result<lucet::linker>>);
static_assert(std::is_same_v<decltype(lucet::install_signals()), lucet::result<void>>);

int entered = 0;
int32_t add(int32_t left, int32_t right) { return left + right; }
int32_t take(lucet::bytes data) {
  entered++;
  return static_cast<int32_t>(data.size());
}
int32_t callback(lucet::call &call, lucet_funcref function, int32_t value) {
  const lucet::result<lucet::outcome> ended = call.run(function, value);
  if (!ended) return -1;
  const lucet::result<int32_t> result = ended->get<int32_t>();
  if (result) return *result;
  if (!call.trap(LUCET_TRAP_HOST)) return -2;
  return 0;
}
void fill(lucet::call &call, lucet::mutable_bytes data, int32_t beyond) {
  const auto more = call.bytes(static_cast<uint32_t>(beyond), 1);
  CHECK(more.status() == (beyond > 65535 ? LUCET_OUT_OF_BOUNDS : LUCET_OK));
  if (!more && !call.trap()) return;
  if (!data.empty()) data[0] = 1;
}

void define(lucet::linker &linker) {
  int offset = 0;
  CHECK(linker.define<&add>("env", "add").ok());
  CHECK(linker.define<&take>("env", "bytes").ok());
  CHECK(linker.define<&callback>("env", "callback").ok());
  CHECK(linker.define<&fill>("env", "fill").ok());
  CHECK(linker.define("env", "leaf", [offset](float value) { return value + static_cast<float>(offset); })
            .ok());
  CHECK(linker.trap_missing().ok());
  const lucet::result<void> again = linker.define<&add>("env", "add");
  CHECK(!again && again.status() == LUCET_BAD_ARGUMENT);
  CONTAINS(again.error().what(), "add");
}

void runs(lucet::instance &guest, const lucet::module &module) {
  CHECK(guest.run("add", 20, 22)->get<int32_t>().value() == 42);
  CHECK(guest.run("callback", 5)->get<int32_t>().value() == 15);
  CHECK(guest.run("leaf", 1.5f)->get<float>().value() == 1.5f);
  CHECK(guest.run("nowhere").status() == LUCET_NOT_FOUND);
  CHECK(guest.run("add").error().status() == LUCET_TYPE_MISMATCH);
  CHECK(guest.run("bytes", 0, 65537)->trap() == LUCET_TRAP_HOST_ARGUMENT && entered == 0);
  CHECK(guest.run("add", 1, 2).status() == LUCET_NEEDS_RESET);
  CHECK(guest.reset().ok());
  CHECK(guest.run("fill", 0, 1, 65536)->trap() == LUCET_TRAP_HOST_ARGUMENT);
  CHECK(guest.reset().ok());
  CHECK(guest.run("fill", 0, 1, 65535)->returned());
  CHECK(guest.view(0, 1)->size() == 1 && guest.view(0, 1)->data()[0] == 1);
  CHECK(guest.view(65536, 1).status() == LUCET_OUT_OF_BOUNDS);
  CHECK(guest.global<int32_t>("count").value() == 7);
  CHECK(!guest.set_global("count", 1.5));

  const auto divide = module.func<int32_t(int32_t, int32_t)>("divide");
  if (!divide) return CHECK(divide.ok());
  CHECK((*divide)(guest, 9, 3).value() == 3);
  const lucet::result<int32_t> ended = (*divide)(guest, 1, 0);
  CHECK(!ended && ended.error().kind() == LUCET_TRAPPED &&
        ended.error().detail() == LUCET_TRAP_DIVIDE_BY_ZERO);
  CONTAINS(ended.error().what(), "divide by zero");
  CHECK((*divide)(guest, 9, 3).status() == LUCET_BAD_STATE);
  CHECK(module.func<int64_t()>("divide").status() == LUCET_TYPE_MISMATCH);
  const auto tick = module.func<void()>("tick");
  CHECK(guest.reset().ok());
  CHECK(tick.ok() && (*tick)(guest).error().detail() == LUCET_TRAP_HOST);
}
} // namespace

int main() {
  CHECK(lucet::region::make().status() == LUCET_NO_SIGNALS);
  CHECK(lucet::install_signals().ok());
  auto linker = lucet::linker::make();
  define(linker.value());
  CHECK(lucet::module::load("/nowhere.so", *linker).status() == LUCET_NOT_FOUND);
  auto module = lucet::module::load(harness::guest("host").c_str(), *linker);
  auto region = lucet::region::make_for(*module);
  auto guest = lucet::instance::make(*region, *module);
  runs(*guest, *module);
  lucet::instance moved = std::move(guest).value();
  CHECK(moved.reset().ok());
  return harness::finish();
}
