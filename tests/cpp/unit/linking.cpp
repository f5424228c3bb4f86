// An instance that imports from another one: released in the opposite order of their declarations.
#include "../harness.hpp"

int main() {
  lucet::install_signals();
  int32_t word = -1;
  auto empty = lucet::linker::make();
  const auto library_module = lucet::module::load(harness::guest("library").c_str(), empty);
  auto region = lucet::region::make();
  auto library = lucet::instance::make(region, library_module);
  auto linker = lucet::linker::make();
  linker.define_instance("library", library);
  FAILS(LUCET_BAD_ARGUMENT, "defined already", linker.define_instance("library", library));
  {
    const auto program_module = lucet::module::load(harness::guest("program").c_str(), linker);
    auto program = lucet::instance::make(region, program_module);
    CHECK(program.run("store", 8, 21).kind() == lucet::outcome_kind::returned);
    FAILS(LUCET_LINKED, "import", library.reset());
    library.read(8, &word, sizeof word);
    CHECK(word == 42);
  }
  library.reset();
  library.read(8, &word, sizeof word);
  CHECK(word == 0);
  return harness::finish();
}
