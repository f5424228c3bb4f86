// The objects: moving, releasing in any order, typed exports, globals, values, and each failure.
#include "../harness.hpp"
#include <type_traits>

namespace {
static_assert(!std::is_copy_constructible_v<lucet::linker> &&
              std::is_nothrow_move_constructible_v<lucet::linker>);
static_assert(!std::is_copy_constructible_v<lucet::module> &&
              std::is_nothrow_move_assignable_v<lucet::module>);
static_assert(!std::is_copy_constructible_v<lucet::region> &&
              !std::is_default_constructible_v<lucet::region>);
static_assert(!std::is_copy_constructible_v<lucet::instance> &&
              std::is_nothrow_move_constructible_v<lucet::instance>);
static_assert(!std::is_copy_assignable_v<lucet::instance> && !std::is_copy_constructible_v<lucet::call>);

lucet::module load() {
  auto linker = lucet::linker::make();
  linker.trap_missing();
  linker.define("env", "add", [](int32_t a, int32_t b) { return a + b; });
  linker.define("env", "object", [](lucet_externref object) { return object; });
  linker.define("env", "mix",
                [](int32_t, int64_t, float, double, int32_t, int64_t, float, double, int32_t, int64_t, float,
                   double last) { return last; });
  return lucet::module::load(harness::guest("host").c_str(), linker);
}

uint64_t live(const lucet::region &region) {
  lucet_region_stats stats = lucet_region_stats_default();
  return lucet_region_get_stats(region.get(), &stats) ? 999 : stats.live;
}

void moving(const lucet::module &module) {
  auto config = lucet::region::config();
  config.instances = 2;
  auto region = lucet::region::make(config);
  {
    auto first = lucet::instance::make(region, module);
    auto second = lucet::instance::make(region, module);
    CHECK(live(region) == 2);
    FAILS(LUCET_REGION_FULL, "", lucet::instance::make(region, module));
    second = std::move(first); // what second was is released
    CHECK(live(region) == 1);
    CHECK(!first && second);
    CHECK(second.run("add", 1, 2).get<int32_t>() == 3);
    FAILS(LUCET_NULL_ARGUMENT, "NULL", first.run("add", 1, 2));
    auto &same = second;
    second = std::move(same);
    CHECK(second.run("add", 1, 2).get<int32_t>() == 3);
    auto sum = module.func<int32_t(int32_t, int32_t)>("add");
    FAILS(LUCET_NULL_ARGUMENT, "NULL", sum(first, 1, 2));
  }
  CHECK(live(region) == 0);
  auto other = lucet::region::make();
  auto guest = lucet::instance::make(other, module);
  other = std::move(region); // the region goes when its last instance does
  CHECK(guest.run("add", 1, 2).get<int32_t>() == 3);
  auto empty = std::move(other);
  FAILS(LUCET_NULL_ARGUMENT, "NULL", lucet::instance::make(other, module));
}

void typed_exports(const lucet::region &region, const lucet::module &module) {
  auto guest = lucet::instance::make(region, module);
  const auto add = module.func<int32_t(int32_t, int32_t)>("add");
  CHECK(add(guest, 20, 22) == 42);
  CHECK(module.func<uint32_t(uint32_t, uint32_t)>("add")(guest, 0xffffffff, 3) == 2);
  CHECK(module.func<double()>("mix")(guest) == 12);
  int object = 0;
  CHECK(module.func<lucet_externref(lucet_externref)>("object")(guest, {&object}).host == &object);
  const auto triple = module.func<int32_t(int32_t)>("triple");
  CHECK(triple(guest, 5) == 15);
  const auto reference = module.func<lucet_funcref()>("reference");
  CHECK(guest.run(reference(guest), 4).get<int32_t>() == 12);

  const auto divide = module.func<int32_t(int32_t, int32_t)>("divide");
  CHECK(divide(guest, 9, 3) == 3);
  THROWS(lucet::stopped, "divide by zero", divide(guest, 1, 0));
  guest.reset();
  try {
    (void)divide(guest, 1, 0);
  } catch (const lucet::stopped &ended) {
    CHECK(ended.kind() == LUCET_TRAPPED && ended.detail() == LUCET_TRAP_DIVIDE_BY_ZERO);
    CHECK(ended.status() == LUCET_NEEDS_RESET && !std::strcmp(ended.status_name(), "LUCET_NEEDS_RESET"));
    CONTAINS(ended.what(), "divide by zero");
  }
  FAILS(LUCET_BAD_STATE, "reset", divide(guest, 9, 3));
  guest.keep();
  CHECK(divide(guest, 9, 3) == 3);

  FAILS(LUCET_NOT_FOUND, "nowhere", module.func<void()>("nowhere"));
  FAILS(LUCET_TYPE_MISMATCH, "add", module.func<int64_t(int32_t, int32_t)>("add"));
  FAILS(LUCET_TYPE_MISMATCH, "add", module.func<void(int32_t, int32_t)>("add"));
  FAILS(LUCET_TYPE_MISMATCH, "pair", module.func<int32_t(int32_t, int64_t)>("pair"));
  const auto unlinked = lucet::module::load(harness::guest("host").c_str());
  FAILS(LUCET_TYPE_MISMATCH, "link", unlinked.func<int32_t(int32_t, int32_t)>("add"));
  FAILS(LUCET_UNLINKED, "", lucet::instance::make(region, unlinked));

  // Another module's instance.
  auto linker = lucet::linker::make();
  linker.trap_missing();
  auto other = lucet::module::load(harness::guest("start").c_str(), linker);
  auto stranger = lucet::instance::make(region, other);
  FAILS(LUCET_BAD_STATE, "module", add(stranger, 1, 2));
}

void outcomes(const lucet::region &region, const lucet::module &module) {
  auto guest = lucet::instance::make(region, module);
  lucet::outcome ended = guest.run("divide", 1, 0);
  CHECK(ended.kind() == lucet::outcome_kind::trapped && ended.trap() == LUCET_TRAP_DIVIDE_BY_ZERO &&
        ended.stop() == 0);
  CONTAINS(ended.describe(), "divide by zero");
  CONTAINS(guest.describe(), "divide by zero");
  CHECK(ended.describe() == guest.describe());
  THROWS(lucet::stopped, "divide by zero", ended.get<int32_t>());
  guest.reset();
  CHECK(!ended.describe().empty()); // it owns what it says
  ended = guest.run("divide", 9, 3);
  CHECK(ended.returned() && ended.describe() == "returned" && ended.values().size() == 1);
  guest.run("divide", 8, 4); // the results of the one before are its own
  CHECK(ended.get<int32_t>() == 3 && ended.get<uint32_t>() == 3);
  FAILS(LUCET_TYPE_MISMATCH, "expected 2", ended.get<int64_t>());
  FAILS(LUCET_TYPE_MISMATCH, "argument 1", guest.run("add", 1, int64_t(2)));
  FAILS(LUCET_TYPE_MISMATCH, "0 arguments", guest.run("add"));
  FAILS(LUCET_NOT_FOUND, "nowhere", guest.run("nowhere"));
  FAILS(LUCET_NOT_FOUND, "cabi_realloc", guest.alloc(1, 1));
  CHECK(guest.global<int32_t>("count") == 7);
  guest.set_global("count", 9u);
  CHECK(guest.global<uint32_t>("count") == 9);
  FAILS(LUCET_TYPE_MISMATCH, "", guest.global<float>("count"));
  FAILS(LUCET_TYPE_MISMATCH, "", guest.set_global("count", 1.0f));
  FAILS(LUCET_NOT_FOUND, "nowhere", guest.global<float>("nowhere"));
}

void values() {
  CHECK(lucet::value(1).is<int32_t>() && lucet::value(1u).is<int32_t>() && lucet::value(1L).is<int64_t>());
  CHECK(lucet::value(-1).as<uint32_t>() == 0xffffffff &&
        lucet::value(uint64_t(1) << 63).as<int64_t>() == INT64_MIN);
  CHECK(lucet::value(1.5f).as<float>() == 1.5f && lucet::value(2.5).as<double>() == 2.5);
  CHECK(lucet::value(lucet_v128{1, 2}).as<lucet_v128>().hi == 2);
  CHECK(lucet::value(lucet_funcref{0}).type() == LUCET_FUNCREF);
  CHECK(lucet::value(lucet_externref{nullptr}).as<lucet_externref>().host == nullptr);
  FAILS(LUCET_TYPE_MISMATCH, "expected 3", lucet::value(2.5).as<float>());
}

void modules(const lucet::region &region) {
  auto linker = lucet::linker::make();
  linker.define_global("env", "base", 4);
  FAILS(LUCET_BAD_ARGUMENT, "base", linker.define_global("env", "base", 5));
  const std::string path = harness::guest("host");
  FAILS(LUCET_NOT_FOUND, "import", lucet::module::load(path.c_str(), linker));
  FAILS(LUCET_NOT_FOUND, "/nowhere.so", lucet::module::load("/nowhere.so"));
  FAILS(LUCET_BAD_MODULE, "", lucet::module::load_bytes("nothing", 7, linker));
  const auto looked_at = lucet::module::load(path.c_str());
  CHECK(std::strlen(looked_at.build_id()) == 40);
  linker.trap_missing();
  auto linked = looked_at.link(linker);
  auto guest = lucet::instance::make(region, linked);
  CHECK(guest.run("triple", 3).get<int32_t>() == 9);
  std::FILE *file = std::fopen(path.c_str(), "rb");
  std::string content;
  for (int byte; file && (byte = std::fgetc(file)) != EOF;)
    content.push_back(static_cast<char>(byte));
  if (file) std::fclose(file);
  auto copied = lucet::module::load_bytes(content.data(), content.size(), linker);
  CHECK(!std::strcmp(copied.build_id(), linked.build_id()));
  auto config = lucet::region::config();
  config.values = 1;
  auto fitting = lucet::region::make_for(copied, config);
  CHECK(!lucet_region_check(fitting.get(), copied.get()));
}

struct request {
  int answers = 0;
};
void answer(lucet::call &call) { call.instance_data<request>()->answers++; }

void data_and_memory(const lucet::region &region) {
  auto linker = lucet::linker::make();
  linker.define<&answer>("env", "begin");
  auto module = lucet::module::load(harness::guest("start").c_str(), linker);
  request mine;
  auto guest = lucet::instance::make(region, module, &mine);
  CHECK(guest.run("nothing").returned());
  CHECK(mine.answers == 1 && guest.data<request>() == &mine);
  // A guest without a memory has no buffer to give, not even an empty one.
  bool entered = false;
  auto with_bytes = lucet::linker::make();
  with_bytes.define("env", "bytes", [&entered](lucet::bytes) {
    entered = true;
    return 0;
  });
  auto no_memory = lucet::module::load(harness::guest("nomemory").c_str(), with_bytes);
  auto bare = lucet::instance::make(region, no_memory);
  CHECK(bare.run("bytes").trap() == LUCET_TRAP_HOST_ARGUMENT && !entered);
  CHECK(bare.memory().empty());
  auto limits = lucet_limits_default();
  limits.memory_bytes = 65536;
  guest.set_limits(limits);
  limits.fuel = 1;
  FAILS(LUCET_UNSUPPORTED, "", guest.set_limits(limits));
}
} // namespace

int main() {
  auto early = [] { return lucet::region::make(); };
  FAILS(LUCET_NO_SIGNALS, "", early());
  lucet::install_signals();
  FAILS(LUCET_BAD_ARGUMENT, "", lucet::install_signals(1u << 31));
  auto module = load();
  auto region = lucet::region::make();
  moving(module);
  typed_exports(region, module);
  outcomes(region, module);
  values();
  modules(region);
  data_and_memory(region);
  return harness::finish();
}
