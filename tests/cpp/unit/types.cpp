// Host functions of every type: free functions, member functions, lambdas, leaf functions, more than C's
// typed rows can do.
#include "../harness.hpp"

static int32_t host_add(int32_t left, int32_t right) { return left + right; }
static uint64_t host_unsigned(lucet::call &, uint32_t small, uint64_t large) { return small + large; }
static double host_mix(int32_t a, int64_t b, float c, double d, uint32_t e, uint64_t f, float g, double h,
                       long i, long long j, float k, double l) {
  // Called with i32 where the guest has i32: `long` is i64, so this one does not fit the import.
  return a + static_cast<double>(b) + c + d + e + static_cast<double>(f) + g + h +
         static_cast<double>(i + j) + k + l;
}
// Each parameter has its own weight, so that one in the wrong place changes the sum.
static double host_mix_right(int32_t a, int64_t b, float c, double d, int32_t e, int64_t f, float g, double h,
                             int32_t i, int64_t j, float k, double l) noexcept {
  return a + 2.0 * double(b) + 3.0 * double(c) + 4.0 * d + 5.0 * e + 6.0 * double(f) + 7.0 * double(g) +
         8.0 * h + 9.0 * i + 10.0 * double(j) + 11.0 * double(k) + 12.0 * l;
}
static lucet_externref host_object(lucet_externref object) { return object; }
static int32_t host_callback(lucet::call &call, lucet_funcref function, int32_t value) {
  return call.run(function, value).get<int32_t>() + call.run("triple", value).get<int32_t>();
}
static float host_leaf(float value) noexcept { return value * 2; }
static uint32_t host_bytes(lucet::bytes data) {
  uint32_t sum = 0;
  for (uint8_t byte : data)
    sum += byte;
  return sum;
}
static void host_fill(lucet::mutable_bytes data, int32_t with) {
  for (uint8_t &byte : data)
    byte = static_cast<uint8_t>(with);
}
static int32_t host_text(int64_t weight, std::string_view a, std::string_view b) {
  return static_cast<int32_t>(weight) * static_cast<int32_t>(a.size()) + static_cast<int32_t>(b.size());
}
static int32_t host_many(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f, int32_t g,
                         int32_t h, int32_t i, int32_t j, int32_t k, int32_t l, int32_t m) {
  return a + b + c + d + e + f + g + h + i + j + k + l + 100 * m;
}
static std::tuple<int64_t, int32_t> host_pair(int32_t a, int64_t b) { return {b, a}; }
static lucet_v128 host_vector(lucet_v128 v) { return {v.hi, v.lo}; }

struct counter {
  int ticks = 0;
  void tick() { ticks++; }
  int32_t add(int32_t left, int32_t right) const { return left + right + 1000 * ticks; }
};
struct derived : counter {};

static void define_all(lucet::linker &linker, counter &ticks) {
  linker.define<&host_add>("env", "add");
  linker.define<&host_unsigned>("env", "unsigned");
  linker.define<&host_mix_right>("env", "mix");
  linker.define<&host_object>("env", "object");
  linker.define<&host_callback>("env", "callback");
  linker.define<&counter::tick>("env", "tick", ticks);
  linker.define_leaf<&host_leaf>("env", "leaf");
  linker.define<&host_bytes>("env", "bytes");
  linker.define<&host_fill>("env", "fill");
  linker.define<&host_text>("env", "text");
  linker.define<&host_many>("env", "many");
  linker.define<&host_pair>("env", "pair");
  linker.define<&host_vector>("env", "vector");
}

static void calls(lucet::instance &guest, const counter &ticks, int tick_count) {
  CHECK(guest.run("add", 20, 22).get<int32_t>() == 42);
  CHECK(guest.run("unsigned", uint32_t(0xffffffff), uint64_t(1) << 63).get<uint64_t>() ==
        (uint64_t(1) << 63) + 0xffffffffu);
  CHECK(guest.run("mix").get<double>() == host_mix_right(-1, 2, 3, 4, 5, -6, 7, 8, 9, 10, -11, 12));
  int object = 0;
  CHECK(guest.run("object", lucet_externref{&object}).get<lucet_externref>().host == &object);
  CHECK(guest.run("callback", 7).get<int32_t>() == 42);
  CHECK(guest.run(guest.run("reference").get<lucet_funcref>(), 5).get<int32_t>() == 15);
  CHECK(guest.run("tick").returned());
  CHECK(ticks.ticks == tick_count);
  CHECK(guest.run("leaf", 1.5f).get<float>() == 3.0f);
  CHECK(guest.run("bytes", 16, 5).get<int32_t>() == 'h' + 'e' + 'l' + 'l' + 'o');
  CHECK(guest.run("fill", 16, 2, int32_t('x')).returned());
  CHECK(std::memcmp(guest.view(16, 4).data(), "xxll", 4) == 0);
  CHECK(guest.run("text", int64_t(1000), 16, 5, 23, 4).get<int32_t>() == 5004);
  CHECK(guest.run("many").get<int32_t>() == 78 + 1300);
  const lucet::outcome pair = guest.run("pair", 3, int64_t(4));
  CHECK(pair.values().size() == 2 && pair.values()[0].as<int64_t>() == 4 &&
        pair.values()[1].as<int32_t>() == 3);
  FAILS(LUCET_TYPE_MISMATCH, "2 values", pair.get<int64_t>());
  CHECK(guest.run("vector").get<int64_t>() == 5);
}

// The same imports, all of them lambdas: these are called with arrays.
static void define_lambdas(lucet::linker &linker, counter &ticks) {
  linker.define("env", "add", [](int32_t a, int32_t b) { return a + b; });
  linker.define("env", "unsigned", &host_unsigned);
  linker.define("env", "mix", &host_mix_right);
  linker.define("env", "object", [](lucet_externref object) noexcept { return object; });
  linker.define("env", "callback",
                [](lucet::call &call, lucet_funcref f, int32_t v) { return host_callback(call, f, v); });
  linker.define("env", "tick", [&ticks] { ticks.tick(); });
  linker.define("env", "leaf", [](float value) { return value * 2; });
  linker.define("env", "bytes", [](lucet::bytes data) { return host_bytes(data); });
  linker.define("env", "fill", [](lucet::mutable_bytes data, int32_t with) { host_fill(data, with); });
  linker.define("env", "text",
                [](int64_t w, std::string_view a, std::string_view b) { return host_text(w, a, b); });
  linker.define("env", "many", &host_many);
  linker.define("env", "pair", [](int32_t a, int64_t b) { return std::pair<int64_t, int32_t>(b, a); });
  linker.define("env", "vector", [](lucet_v128 v) { return host_vector(v); });
}

static void members() {
  // A const member, through a derived object; and a closure whose end is seen.
  auto linker = lucet::linker::make();
  const derived object;
  linker.define<&counter::add>("env", "add", object);
  linker.trap_missing();
  auto module = lucet::module::load(harness::guest("host").c_str(), linker);
  auto region = lucet::region::make();
  auto guest = lucet::instance::make(region, module);
  CHECK(guest.run("add", 1, 2).get<int32_t>() == 3);
  const lucet::outcome missing = guest.run("tick");
  CHECK(missing.trap() == LUCET_TRAP_HOST && missing.stop() == 0);
}

struct life {
  int *ended;
  explicit life(int *count) : ended(count) {}
  life(life &&other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
  ~life() {
    if (ended) ++*ended;
  }
};

static void closures_end() {
  int ended = 0;
  auto region = lucet::region::make();
  {
    auto linker = lucet::linker::make();
    auto add = [kept = life(&ended)](int32_t a, int32_t b) { return kept.ended ? a + b : 0; };
    linker.define("env", "add", std::move(add));
    FAILS(LUCET_BAD_ARGUMENT, "add", linker.define("env", "add", [kept = life(&ended)](int32_t) {}));
    CHECK(ended == 1); // the one that was refused
    linker.trap_missing();
    auto module = lucet::module::load(harness::guest("host").c_str(), linker);
    auto guest = lucet::instance::make(region, module);
    { auto gone = std::move(linker); }
    { auto gone = std::move(module); }
    CHECK(guest.run("add", 20, 22).get<int32_t>() == 42);
    CHECK(ended == 1);
  }
  CHECK(ended == 2);
  // Assigning ends what was there.
  auto linker = lucet::linker::make();
  linker.define("env", "add", [kept = life(&ended)](int32_t a, int32_t b) { return kept.ended ? a + b : 0; });
  auto other = lucet::linker::make();
  linker = std::move(other);
  CHECK(ended == 3);
}

static void wrong_types() {
  auto linker = lucet::linker::make();
  linker.define<&host_mix>("env", "mix");
  linker.trap_missing();
  FAILS(LUCET_TYPE_MISMATCH, "\"mix\"", lucet::module::load(harness::guest("host").c_str(), linker));
}

int main() {
  lucet::install_signals();
  for (int round = 0; round < 2; round++) {
    counter ticks;
    auto linker = lucet::linker::make();
    round ? define_lambdas(linker, ticks) : define_all(linker, ticks);
    auto module = lucet::module::load(harness::guest("host").c_str(), linker);
    auto region = lucet::region::make_for(module);
    auto guest = lucet::instance::make(region, module);
    calls(guest, ticks, 1);
    guest.reset();
    calls(guest, ticks, 2);
  }
  members();
  closures_end();
  wrong_types();
  return harness::finish();
}
