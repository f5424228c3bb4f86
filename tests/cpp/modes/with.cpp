// The half with exceptions, and main.
#include "modes.hpp"
#include "../harness.hpp"

static int32_t act(int32_t) { throw std::runtime_error("unlucky"); }

int with_exceptions(const char *path) {
  auto linker = lucet::linker::make();
  linker.define<&act>("env", "act");
  linker.trap_missing();
  auto module = lucet::module::load(path, linker);
  auto region = lucet::region::make();
  auto guest = lucet::instance::make(region, module);
  try {
    (void)guest.run("act", 1);
  } catch (const std::runtime_error &) {
    return 1;
  }
  return 0;
}

int main() {
  lucet::install_signals();
  const std::string path = harness::guest("throw");
  CHECK(with_exceptions(path.c_str()) == 1);
  CHECK(without_exceptions(path.c_str()) == 7);
  CHECK(with_exceptions(path.c_str()) == 1);
  return harness::finish();
}
