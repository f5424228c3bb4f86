/* main.c: what the checks of a host function's arguments cost, above a call with two plain numbers.
 *
 *   main WITHOUT.so WITH.so     the guest, compiled without and with its bindings
 *
 * Each figure is the minimum over rounds in which all take turns, in instances that have been reset often, as those of a pool are. Exit
 * status 1 when a bound is missed, for one buffer of bytes: 2 ns where code checks, 10 ns where the runtime does. */
#include <lucet.h>
#include <stdio.h>
#include <time.h>

enum { CALLS = 20000, ROUNDS = 200, EXPORTS = 6, USES = 30 };

static int32_t plain(lucet_call *call, uint32_t a, uint32_t b) {
  (void)call;
  return (int32_t)(a + b);
}
static int32_t bytes(lucet_call *call, lucet_bytes some) {
  (void)call;
  return (int32_t)some.size;
}
static int32_t text(lucet_call *call, lucet_string some) {
  (void)call;
  return (int32_t)some.size;
}
static int32_t out(lucet_call *call, lucet_bytes_out some) {
  (void)call;
  return (int32_t)some.size;
}
static int32_t both(lucet_call *call, lucet_string from, lucet_bytes_out to) {
  (void)call;
  return (int32_t)(from.size + to.size) / 2;
}
static const lucet_host_function rows[] = {
    LUCET_HOST("plain", plain, int32_t, uint32_t, uint32_t),
    LUCET_HOST("bytes", bytes, int32_t, lucet_bytes),
    LUCET_HOST("text", text, int32_t, lucet_string),
    LUCET_HOST("out", out, int32_t, lucet_bytes_out),
    LUCET_HOST("both", both, int32_t, lucet_string, lucet_bytes_out),
    LUCET_HOST("copy", bytes, int32_t, LUCET_WITH(lucet_bytes, LUCET_MAX(64) | LUCET_COPY)),
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, lucet_last_error());
  return 2;
}

int main(int argc, char **argv) {
  double least[2][EXPORTS];
  lucet_instance *guests[2];
  const lucet_func *functions[2][EXPORTS];
  lucet_linker *linker;
  lucet_region *region;
  lucet_value calls = lucet_value_i32(CALLS);
  int kind, round, each, missed;
  if (argc != 3) return 2;
  if (lucet_linker_new(&linker) || lucet_linker_define(linker, "m", rows, EXPORTS, NULL)) return failed("linker");
  if (lucet_signals_install(0) || lucet_region_new(NULL, &region)) return failed("region");
  for (kind = 0; kind < 2; kind++) {
    lucet_module *module;
    if (lucet_module_load_file(argv[1 + kind], linker, NULL, &module)) return failed(argv[1 + kind]);
    if (lucet_instance_new(region, module, NULL, NULL, &guests[kind])) return failed("instance");
    for (each = 0; each < EXPORTS; each++) {
      least[kind][each] = 1e18;
      if (lucet_module_func(module, rows[each].name, &functions[kind][each])) return failed(rows[each].name);
    }
  }
  for (kind = 0; kind < 2; kind++)
    for (round = 0; round < USES; round++) {
      lucet_outcome outcome;
      for (each = 0; each < EXPORTS; each++)
        if (lucet_instance_call(guests[kind], functions[kind][each], &calls, 1, &outcome)) return failed("call");
      if (lucet_instance_reset(guests[kind])) return failed("reset");
    }
  for (round = 0; round < ROUNDS; round++)
    for (kind = 0; kind < 2; kind++)
      for (each = 0; each < EXPORTS; each++) {
        lucet_outcome outcome;
        const double start = now();
        double took;
        if (lucet_instance_call(guests[kind], functions[kind][each], &calls, 1, &outcome)) return failed("call");
        took = (now() - start) / CALLS;
        if (outcome.kind != LUCET_RETURNED || outcome.values[0].of.i32 != CALLS * (each ? 16 : 80)) return failed("result");
        if (took < least[kind][each]) least[kind][each] = took;
      }
  printf("%-24s %8s %8s\n", "ns a call, above plain", "runtime", "code");
  for (each = 1; each < EXPORTS; each++)
    printf("checked_%-16s %8.2f %8.2f\n", rows[each].name, least[0][each] - least[0][0], least[1][each] - least[1][0]);
  printf("%-24s %8.2f %8.2f\n", "plain itself", least[0][0], least[1][0]);
  for (missed = 0, each = 1; each <= 3; each += 2) /* "bytes" and "out" */
    missed |= least[0][each] - least[0][0] > 10 || least[1][each] - least[1][0] > 2;
  if (missed) printf("a bound is missed\n");
  return missed;
}
