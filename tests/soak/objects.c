/* objects.c: linkers, modules, regions and instances, made and released over and over: nothing of them may
 * stay. */
#include "soak.h"

static void one(const struct soak *soak, uint64_t number) {
  lucet_region_config config = lucet_region_config_default();
  lucet_module *module = soak_module(soak, number % 2 ? "tenant" : "other", NULL), *unlinked = NULL,
               *linked = NULL;
  lucet_linker *linker = NULL;
  lucet_region *region = NULL;
  lucet_instance *guests[3] = {NULL}, *refused = NULL;
  lucet_outcome outcome;
  char path[4096];
  config.instances = 3;
  SOAK_OK(lucet_region_new(&config, &region));
  for (int at = 0; at < 3; at++) {
    SOAK_OK(lucet_instance_new(region, module, NULL, NULL, &guests[at]));
    SOAK_OK(lucet_instance_run(guests[at], "seen", NULL, 0, &outcome));
  }
  SOAK_NEED(lucet_instance_new(region, module, NULL, NULL, &refused) == LUCET_REGION_FULL && refused == NULL);
  snprintf(path, sizeof path, "%s/other.so", soak->guests);
  SOAK_OK(lucet_linker_new(&linker));
  SOAK_OK(lucet_module_load_file(path, NULL, NULL, &unlinked));
  SOAK_OK(lucet_module_link(unlinked, linker, NULL, &linked));
  lucet_module_release(unlinked);
  lucet_linker_release(linker);
  lucet_module_release(linked);
  for (int at = 0; at < 3; at++)
    SOAK_OK(lucet_instance_release(guests[at]));
  lucet_module_release(module);
  lucet_region_release(region);
}

int main(int argc, char **argv) {
  struct soak soak = soak_start(argc, argv);
  uint64_t number = 0;
  int warm = 0;
  do {
    for (int left = 16; left > 0; left--)
      one(&soak, ++number);
    if (!warm && !soak_warms(&soak)) {
      soak_begin(&soak, number);
      warm = 1;
    }
  } while (!warm || soak_goes_on(&soak));
  return soak_end(&soak, number, 64, 2);
}
