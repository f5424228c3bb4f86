/* cycles.c: one guest after the other, as a server makes them for requests: new, call, release. The slot is
 * in its steady state, so a cycle takes less than a microsecond and makes no system call. Now and then an
 * instance is looked at: is it like new? */
#include "soak.h"

enum { BATCH = 4096, LOOKS = 64 };

static const lucet_func *touch;

static void cycle(lucet_region *region, lucet_module *module, uint64_t tag) {
  lucet_instance *guest = NULL;
  lucet_value arguments[4];
  lucet_outcome outcome;
  arguments[0] = lucet_value_i32(100);
  arguments[1] = lucet_value_i32(8192);
  arguments[2] = lucet_value_i32(4);
  arguments[3] = lucet_value_i64((int64_t)tag);
  SOAK_OK(lucet_instance_new(region, module, NULL, NULL, &guest));
  SOAK_OK(lucet_instance_call(guest, touch, arguments, 4, &outcome));
  SOAK_NEED(outcome.kind == LUCET_RETURNED);
  SOAK_OK(lucet_instance_release(guest));
}

static void look(lucet_region *region, lucet_module *module) {
  lucet_instance *guest = NULL;
  lucet_outcome outcome;
  SOAK_OK(lucet_instance_new(region, module, NULL, NULL, &guest));
  SOAK_OK(lucet_instance_run(guest, "seen", NULL, 0, &outcome));
  SOAK_NEED(outcome.kind == LUCET_RETURNED && outcome.values[0].of.i64 == 0);
  SOAK_OK(lucet_instance_release(guest));
}

int main(int argc, char **argv) {
  struct soak soak = soak_start(argc, argv);
  lucet_module *module = soak_module(&soak, "tenant", NULL);
  lucet_region_config config = lucet_region_config_default();
  lucet_region *region = NULL;
  uint64_t cycles = 0;
  int warm = 0, status;
  config.instances = 4;
  SOAK_OK(lucet_region_new(&config, &region));
  SOAK_OK(lucet_module_func(module, "touch", &touch));
  do {
    for (int at = 0; at < BATCH; at++)
      cycle(region, module, ++cycles);
    if (cycles / BATCH % LOOKS == 0) look(region, module);
    if (!warm && cycles >= (uint64_t)BATCH * LOOKS && !soak_warms(&soak)) {
      soak_begin(&soak, cycles);
      warm = 1;
    }
  } while (!warm || soak_goes_on(&soak));
  look(region, module);
  status = soak_end(&soak, cycles, 64, 2);
  lucet_region_release(region);
  lucet_module_release(module);
  return status;
}
