/* tenants.c: tenants of two modules in the same few slots, on two threads, each leaving its tag wherever it
 * can: in memory, grown memory, globals, tables, on its stack. They return, trap, overflow their stack, are
 * reset, or just released. Every one of them first looks for what is not its own. Meanwhile the region is
 * trimmed, and made ready again. */
#include "soak.h"
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 2 };

struct worker {
  const struct soak *soak;
  lucet_region *region;
  lucet_module *modules[2];
  uint64_t random;
  _Atomic uint64_t cycles;
  pthread_t thread;
};

static int run(lucet_instance *guest, const char *name, const lucet_value *arguments, size_t count,
               lucet_outcome *outcome) {
  SOAK_OK(lucet_instance_run(guest, name, arguments, count, outcome));
  return outcome->kind == LUCET_RETURNED;
}

static void look(lucet_instance *guest) {
  lucet_outcome outcome;
  SOAK_NEED(run(guest, "seen", NULL, 0, &outcome) && outcome.values[0].of.i64 == 0);
}

/* The kernel writes into the guest. */
static void receive(lucet_instance *guest, uint32_t at) {
  uint8_t *bytes = NULL;
  int ends[2];
  SOAK_OK(lucet_instance_view_mut(guest, 0, at, 8, &bytes));
  SOAK_NEED(pipe(ends) == 0 && write(ends[1], "kernel!!", 8) == 8 && read(ends[0], bytes, 8) == 8);
  close(ends[0]);
  close(ends[1]);
}

static void leave_tags(struct worker *worker, lucet_instance *guest, int which) {
  uint64_t tag = worker->random | 1;
  lucet_value arguments[4];
  lucet_outcome outcome;
  lucet_externref object = {worker};
  arguments[0] = lucet_value_i32((int32_t)(soak_random(&worker->random) % 60000));
  arguments[1] = lucet_value_i32((int32_t)(1 + soak_random(&worker->random) % 5000));
  arguments[2] = lucet_value_i32((int32_t)(soak_random(&worker->random) % 20));
  arguments[3] = lucet_value_i64((int64_t)tag);
  SOAK_NEED(run(guest, "touch", arguments, 4, &outcome));
  if (which == 1) return;
  switch (soak_random(&worker->random) % 8) {
  case 0:
    arguments[0] = lucet_value_i32((int32_t)(soak_random(&worker->random) % 5));
    arguments[1] = lucet_value_externref(object);
    arguments[2] = lucet_value_i64((int64_t)tag);
    SOAK_NEED(run(guest, "mess", arguments, 3, &outcome));
    break;
  case 1:
    SOAK_NEED(!run(guest, "deep", &arguments[3], 1, &outcome) && outcome.detail == LUCET_TRAP_STACK);
    break;
  case 2:
    SOAK_NEED(!run(guest, "trap", NULL, 0, &outcome));
    break;
  case 3:
    receive(guest, soak_random(&worker->random) % 200000);
    break;
  default:
    break;
  }
}

static void one(struct worker *worker) {
  int which = soak_random(&worker->random) % 4 == 0;
  lucet_instance *guest = NULL;
  SOAK_OK(lucet_instance_new(worker->region, worker->modules[which], NULL, NULL, &guest));
  look(guest);
  for (uint32_t left = soak_random(&worker->random) % 4; left > 0; left--) {
    SOAK_OK(lucet_instance_reset(guest));
    if (soak_random(&worker->random) % 2) look(guest);
    SOAK_OK(lucet_instance_reset(guest));
    leave_tags(worker, guest, which);
    atomic_fetch_add(&worker->cycles, 2);
  }
  SOAK_OK(lucet_instance_release(guest));
  atomic_fetch_add(&worker->cycles, 1);
}

static void *work(void *data) {
  struct worker *worker = data;
  while (soak_goes_on(worker->soak)) {
    for (int left = 64; left > 0; left--)
      one(worker);
    if (soak_random(&worker->random) % 64 == 0) SOAK_OK(lucet_region_trim(worker->region, 0));
    if (soak_random(&worker->random) % 64 == 0)
      SOAK_OK(lucet_region_prefault(worker->region, worker->modules[0], 2));
  }
  return NULL;
}

int main(int argc, char **argv) {
  struct soak soak = soak_start(argc, argv);
  static struct worker workers[THREADS];
  lucet_region_config config = lucet_region_config_default();
  lucet_module *modules[2];
  lucet_region *region = NULL;
  uint64_t cycles = 0;
  config.instances = THREADS + 1;
  SOAK_OK(lucet_region_new(&config, &region));
  modules[0] = soak_module(&soak, "tenant", NULL);
  modules[1] = soak_module(&soak, "other", NULL);
  for (int at = 0; at < THREADS; at++) {
    workers[at].soak = &soak;
    workers[at].region = region;
    memcpy(workers[at].modules, modules, sizeof modules);
    workers[at].random = 77 + (uint64_t)at;
    SOAK_NEED(pthread_create(&workers[at].thread, NULL, work, &workers[at]) == 0);
  }
  while (soak_warms(&soak))
    usleep(1000);
  for (int at = 0; at < THREADS; at++)
    cycles += workers[at].cycles;
  soak_begin(&soak, cycles);
  for (int at = 0; at < THREADS; at++)
    SOAK_NEED(pthread_join(workers[at].thread, NULL) == 0);
  cycles = 0;
  for (int at = 0; at < THREADS; at++)
    cycles += workers[at].cycles;
  /* What is resident varies with what the slots held last. */
  return soak_end(&soak, cycles, 4096, 2);
}
