// Buffers of elements: counted in elements, aligned, and not overlapping what is written to; for functions, whose rows say so,
// and for lambdas, where lucet.hpp looks itself.
#include "../harness.hpp"

namespace {
int entered = 0;
double scale(lucet::buffer<const double> from, lucet::buffer<double> to, double by) {
  entered++;
  double sum = 0;
  for (size_t i = 0; i < from.size() && i < to.size(); i++)
    sum += to[i] = from[i] * by;
  return sum;
}

struct attempt {
  uint32_t from, from_count, to, to_count;
  bool good;
};
const attempt attempts[] = {
    {0, 4, 64, 4, true},
    {0, 8, 64, 8, true},
    {0, 9, 64, 4, false}, // shares eight bytes
    {64, 4, 64, 4, false},
    {64, 4, 40, 4, false},
    {64, 0, 64, 4, true}, // nothing overlaps with nothing
    {4, 1, 64, 1, false}, // alignment
    {0, 1, 68, 1, false},
    {65536 - 8, 1, 0, 1, true},
    {65536 - 8, 2, 0, 1, false},
    {65536, 0, 65536, 0, true},
    {0, 0x20000000, 64, 1, false}, // times 8 it is 2^32
    {0, 0xffffffff, 64, 1, false},
};

void all(lucet::instance &guest, const char *name) {
  for (const attempt &a : attempts) {
    const double three = 3;
    guest.write(0, &three, sizeof three);
    entered = 0;
    const lucet::outcome ended = guest.run(name, a.from, a.from_count, a.to, a.to_count);
    CHECK(ended.returned() == a.good);
    CHECK(entered == a.good);
    if (a.good) {
      if (a.from == 0 && a.from_count) CHECK(ended.get<double>() > 5.9 && ended.get<double>() < 6.1);
    } else {
      CHECK(ended.trap() == LUCET_TRAP_HOST_ARGUMENT);
      guest.reset();
    }
  }
}
} // namespace

int main() {
  lucet::install_signals();
  auto linker = lucet::linker::make();
  linker.define<&scale>("env", "typed");
  linker.define("env", "lambda", [](lucet::buffer<const double> from, lucet::buffer<double> to, double by) {
    return scale(from, to, by);
  });
  const auto module = lucet::module::load(harness::guest("elements").c_str(), linker);
  auto region = lucet::region::make();
  auto guest = lucet::instance::make(region, module);
  all(guest, "typed");
  all(guest, "lambda");
  return harness::finish();
}
