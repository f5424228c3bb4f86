/* program.c: what a user's program does first: checks the version, loads a module, calls it, and survives its trap.
 * Compiled as C11 and, through program.cpp, as C++17. Usage: program MODULE. Prints "answer 42" on success. */
#include <lucet.h>
#include <stdio.h>

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, lucet_last_error());
  return 1;
}

static int run(lucet_instance *guest) {
  lucet_value arguments[1];
  lucet_outcome outcome;
  arguments[0] = lucet_value_i32(21);
  if (lucet_instance_run(guest, "twice", arguments, 1, &outcome)) return failed("twice");
  if (outcome.kind != LUCET_RETURNED) return 1;
  printf("answer %d\n", (int)outcome.values[0].of.i32);
  /* The handler of the fault is in this binary: in the static case the linker must have kept it. */
  if (lucet_instance_run(guest, "outside", NULL, 0, &outcome)) return failed("outside");
  if (outcome.kind != LUCET_TRAPPED) return 1;
  return outcome.detail == LUCET_TRAP_MEMORY ? 0 : 1;
}

int main(int argc, char **argv) {
  lucet_linker *linker = NULL;
  lucet_module *module = NULL;
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_region_config config = lucet_region_config_default();
  int status;

  if (argc != 2) return 2;
  if (lucet_version() != LUCET_VERSION) {
    fprintf(stderr, "the header is version %#x, the library %#x\n", (unsigned)LUCET_VERSION, (unsigned)lucet_version());
    return 1;
  }
  if (lucet_signals_install(0) || lucet_linker_new(&linker)) return failed("linker");
  if (lucet_module_load_file(argv[1], linker, NULL, &module)) return failed("module");
  lucet_linker_release(linker);
  if (lucet_region_new(&config, &region)) return failed("region");
  if (lucet_instance_new(region, module, NULL, NULL, &guest)) return failed("instance");
  status = run(guest);
  if (lucet_instance_release(guest)) status = failed("release");
  lucet_module_release(module);
  lucet_region_release(region);
  return status;
}
