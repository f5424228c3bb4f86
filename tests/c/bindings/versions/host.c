/* host.c: the shop in the version that SHOP_HEADER names. Loads the modules that are given, calls "run" of each with 0 to 4, and prints
 * what comes of it. */
#include SHOP_HEADER
#include <stdio.h>
#include <string.h>

int32_t shop_price(lucet_call *call, lucet_string article) {
  (void)call;
  return (int32_t)article.size + 10;
}
int32_t shop_paint(lucet_call *call, shop_colour how) {
  (void)call;
  return (int32_t)how + 20;
}
int32_t shop_allow(lucet_call *call, shop_rights may) {
  (void)call;
  return (int32_t)may + 30;
}
#ifdef NEW
int32_t shop_tally(lucet_call *call, uint64_t from) {
  (void)call;
  return (int32_t)from + 40;
}
int32_t shop_discount(lucet_call *call, uint32_t percent) {
  (void)call;
  return (int32_t)percent + 50;
}
#else
int32_t shop_tally(lucet_call *call, uint32_t from) {
  (void)call;
  return (int32_t)from + 40;
}
int32_t shop_retired(lucet_call *call) {
  (void)call;
  return 50;
}
#endif

static void run(const char *path, lucet_linker *linker, lucet_region *region) {
  lucet_module *module = NULL;
  lucet_instance *guest = NULL;
  const char *slash = strrchr(path, '/');
  int32_t i;
  printf("%s:", slash ? slash + 1 : path);
  if (lucet_module_load_file(path, linker, NULL, &module)) {
    printf(" %s\n", lucet_last_error());
    return;
  }
  if (lucet_instance_new(region, module, NULL, NULL, &guest)) {
    printf(" %s\n", lucet_last_error());
    lucet_module_release(module);
    return;
  }
  for (i = 0; i <= 4; i++) {
    lucet_value argument = lucet_value_i32(i);
    lucet_outcome outcome;
    if (lucet_instance_run(guest, "run", &argument, 1, &outcome)) {
      printf(" %s", lucet_last_error());
    } else if (outcome.kind == LUCET_RETURNED) {
      printf(" %d", (int)outcome.values[0].of.i32);
    } else {
      printf(" %s", outcome.kind == LUCET_TRAPPED && outcome.detail == LUCET_TRAP_HOST_ARGUMENT ? "refused" : "?");
      if (lucet_instance_reset(guest)) printf(" %s", lucet_last_error());
    }
  }
  printf("\n");
  if (lucet_instance_release(guest)) printf("%s\n", lucet_last_error());
  lucet_module_release(module);
}

int main(int argc, char **argv) {
  lucet_linker *linker = NULL;
  lucet_region *region = NULL;
  int i;
  if (lucet_signals_install(0) || lucet_linker_new(&linker) || shop_define(linker, NULL) ||
      lucet_region_new(NULL, &region)) {
    printf("%s\n", lucet_last_error());
    return 1;
  }
  for (i = 1; i < argc; i++)
    run(argv[i], linker, region);
  lucet_region_release(region);
  lucet_linker_release(linker);
  return 0;
}
