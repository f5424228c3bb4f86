// The half without exceptions.
#include "modes.hpp"
#include <lucet.hpp>

static int32_t act(int32_t value) { return value; }

int without_exceptions(const char *path) {
  auto linker = lucet::linker::make();
  if (!linker || !linker->define<&act>("env", "act") || !linker->trap_missing()) return -1;
  auto module = lucet::module::load(path, *linker);
  auto region = lucet::region::make();
  if (!module || !region) return -2;
  auto guest = lucet::instance::make(*region, *module);
  if (!guest) return -3;
  const auto ended = guest->run("act", 7);
  if (!ended) return -4;
  const auto result = ended->get<int32_t>();
  return result ? *result : -5;
}
