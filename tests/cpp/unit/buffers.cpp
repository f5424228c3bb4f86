// Checked buffers: ranges at every edge, UTF-8, and that the function does not run when one is bad.
#include "../harness.hpp"

namespace {
int entered = 0;
int32_t take_bytes(lucet::bytes data) {
  entered++;
  return static_cast<int32_t>(data.size());
}
void take_fill(lucet::mutable_bytes data, int32_t with) {
  entered++;
  if (!data.empty()) data[data.size() - 1] = static_cast<uint8_t>(with);
}
int32_t take_text(int64_t, std::string_view a, std::string_view b) {
  entered++;
  return static_cast<int32_t>(a.size() + b.size());
}

struct range {
  uint32_t address, length;
  bool good;
};
const range ranges[] = {
    {0, 0, true},
    {0, 65536, true},
    {65536, 0, true},
    {65535, 1, true},
    {65536, 1, false},
    {65537, 0, false},
    {0, 65537, false},
    {65535, 2, false},
    {0xffffffff, 1, false},
    {1, 0xffffffff, false},
    {0xffffffff, 0xffffffff, false},
    {0x80000000, 0x80000000, false},
};

void edges(lucet::instance &guest, const char *name) {
  for (const range &r : ranges) {
    entered = 0;
    const bool fill = !std::strcmp(name, "fill");
    const lucet::outcome ended =
        fill ? guest.run(name, r.address, r.length, 9) : guest.run(name, r.address, r.length);
    CHECK(ended.returned() == r.good);
    CHECK(entered == r.good);
    if (!r.good) {
      CHECK(ended.trap() == LUCET_TRAP_HOST_ARGUMENT);
      guest.reset();
    } else if (!fill) {
      CHECK(ended.get<uint32_t>() == r.length);
    }
  }
}

bool good_text(lucet::instance &guest, const std::string &text) {
  guest.write(100, text.data(), text.size());
  entered = 0;
  const lucet::outcome ended = guest.run("text", int64_t(0), 0, 0, 100, static_cast<uint32_t>(text.size()));
  const bool good = ended.returned();
  CHECK(entered == good);
  if (!good) {
    CHECK(ended.trap() == LUCET_TRAP_HOST_ARGUMENT);
    guest.reset();
  }
  CHECK(good == lucet::is_utf8({reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
  return good;
}

// Against a decoder of another kind: encode every number, and try every sequence of two and many of three
// bytes.
std::string encode(uint32_t c) {
  const auto byte = [](uint32_t b) { return static_cast<char>(b); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)),
          byte(0x80 | (c & 63))};
}
bool valid(const std::string &text) {
  return lucet::is_utf8({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
}
void every_character() {
  unsigned wrong = 0, good = 0;
  for (uint32_t c = 0; c < 0x1fffff; c++) {
    const bool expected = c < 0xd800 || (c > 0xdfff && c < 0x110000);
    wrong += valid(encode(c)) != expected;
    good += expected;
    if (c < 0x110000) wrong += c > 0x7f && valid(encode(c).substr(1));       // a tail alone
    if (c > 0x7f) wrong += valid(encode(c).substr(0, encode(c).size() - 1)); // cut off
  }
  CHECK(wrong == 0);
  CHECK(good == 0x110000 - 0x800);
  unsigned two = 0, three = 0,
           four = 0; // exactly as many good sequences as there are characters of that length
  for (uint32_t a = 0; a < 256; a++)
    for (uint32_t b = 0; b < 256; b++) {
      const char text[] = {static_cast<char>(a), static_cast<char>(b)};
      two += a > 127 && valid({text, 2});
      for (uint32_t c = 0; a > 127 && c < 256; c++) {
        const char more[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c),
                             static_cast<char>(0x80)};
        three += a > 0xdf && valid({more, 3});
        four += a > 0xef && valid({more, 4});
      }
    }
  CHECK(two == 0x800 - 0x80);
  CHECK(three == 0x10000 - 0x800 - 0x800);
  CHECK(four == (0x110000 - 0x10000) / 64);
}

void texts(lucet::instance &guest) {
  CHECK(good_text(guest, ""));
  CHECK(good_text(guest, "plain"));
  CHECK(good_text(guest, std::string("nul \0 inside", 12)));
  CHECK(good_text(guest, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
  CHECK(!good_text(guest, "\xc0\x80"));
  CHECK(!good_text(guest, "\xe0\x80\xaf"));
  CHECK(!good_text(guest, "\xf0\x80\x80\x80"));
  CHECK(!good_text(guest, "\xed\xa0\x80"));
  CHECK(!good_text(guest, "\xf4\x90\x80\x80"));
  CHECK(!good_text(guest, "\xff"));
  CHECK(!good_text(guest, "cut \xe2\x82"));
  CHECK(!good_text(guest, "\x80"));
  // The second text decides too, and a good first one does not make the function run.
  entered = 0;
  guest.write(100, "\xff", 1);
  CHECK(guest.run("text", int64_t(0), 16, 5, 100, 1).trap() == LUCET_TRAP_HOST_ARGUMENT);
  guest.reset();
  CHECK(guest.run("text", int64_t(0), 65530, 10, 0, 0).trap() == LUCET_TRAP_HOST_ARGUMENT);
  CHECK(entered == 0);
  guest.reset();
}

void from_outside(lucet::instance &guest) {
  CHECK(guest.memory().size() == 65536);
  CHECK(guest.view(16, 5).copy() == std::vector<uint8_t>({'h', 'e', 'l', 'l', 'o'}));
  CHECK(guest.view(16, 5).first(2).size() == 2 && guest.view(16, 5).first(9).size() == 5);
  FAILS(LUCET_OUT_OF_BOUNDS, "", guest.view(65536, 1));
  FAILS(LUCET_OUT_OF_BOUNDS, "", guest.view_mut(UINT64_MAX, UINT64_MAX));
  guest.view_mut(20, 1)[0] = 'X';
  char five[5];
  guest.read(16, five, 5);
  CHECK(!std::memcmp(five, "hellX", 5));
  FAILS(LUCET_OUT_OF_BOUNDS, "", guest.write(65534, five, 5));
  CHECK(guest.grow(1) == 1);
  CHECK(guest.memory().size() == 2 * 65536);
  FAILS(LUCET_LIMIT, "", guest.grow(1));
  const lucet::bytes converted = guest.view_mut(0, 1);
  CHECK(converted.size() == 1);
#if LUCET_SPAN_
  const std::span<const uint8_t> span = guest.view(16, 5);
  CHECK(span.size() == 5 && span[0] == 'h');
  const std::span<uint8_t> writable = guest.view_mut(16, 5);
  writable[0] = 'H';
  CHECK(guest.view(16, 1)[0] == 'H');
#endif
  guest.reset();
}
} // namespace

int main() {
  lucet::install_signals();
  auto region = lucet::region::make();
  for (int round = 0; round < 5; round++) {
    auto linker = lucet::linker::make();
    linker.trap_missing();
    if (round >= 3) linker.poison_views(); // functions see no difference, lambdas neither
    if (round == 0 || round == 3) {
      linker.define<&take_bytes>("env", "bytes");
      linker.define<&take_fill>("env", "fill");
      linker.define<&take_text>("env", "text");
    } else if (round == 1) {
      linker.define("env", "bytes", &take_bytes);
      linker.define("env", "fill", &take_fill);
      linker.define("env", "text", &take_text);
    } else {
#if LUCET_SPAN_
      linker.define("env", "bytes", [](std::span<const uint8_t> s) {
        return take_bytes({s.data(), s.size()});
      });
      linker.define("env", "fill", [](std::span<std::byte> s, int32_t with) {
        take_fill({reinterpret_cast<uint8_t *>(s.data()), s.size()}, with);
      });
      linker.define<&take_text>("env", "text");
#else
      continue;
#endif
    }
    auto module = lucet::module::load(harness::guest("host").c_str(), linker);
    auto guest = lucet::instance::make(region, module);
    edges(guest, "bytes");
    edges(guest, "fill");
    texts(guest);
    from_outside(guest);
  }
  every_character();
  return harness::finish();
}
