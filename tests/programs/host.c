/* host.c: runs a WASI program that lucetc has compiled: host MODULE INPUT. Its standard output becomes the
 * host's, and its exit status too; a trap is described on standard error and gives 99.
 *
 * Also the host's half of lua_try.h: "protect.try" calls back into the guest, "protect.throw" ends that
 * callback. */
#include <lucet.h>
#include <stdio.h>
#include <stdlib.h>

#include "wasi.h"

/* The reason of a termination that is a throw. */
#define THROWN 0x7468726f77ull

static void try_call(lucet_call *call, uint32_t function, uint32_t state, uint32_t data) {
  lucet_value arguments[3] = {lucet_value_i32((int32_t)function), lucet_value_i32((int32_t)state),
                              lucet_value_i32((int32_t)data)};
  lucet_outcome outcome;
  if (lucet_call_run(call, "protected_call", arguments, 3, &outcome) != LUCET_OK) return;
  if (outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_HOST && outcome.token == THROWN)
    lucet_instance_keep(lucet_call_instance(call));
}

static void throw_now(lucet_call *call) { lucet_call_terminate(call, THROWN); }

static void must(lucet_status status, const char *what) {
  if (status == LUCET_OK) return;
  fprintf(stderr, "%s: %s\n", what, lucet_last_error());
  exit(98);
}

static void problem(void *data, const char *text, size_t length) {
  (void)data;
  fprintf(stderr, "%.*s\n", (int)length, text);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
  char *bytes = size < 0 ? NULL : malloc((size_t)size + 1);
  if (!bytes || fseek(file, 0, SEEK_SET) != 0 || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
    fprintf(stderr, "%s: cannot be read\n", path);
    exit(98);
  }
  fclose(file);
  *length = (size_t)size;
  return bytes;
}

static lucet_instance *make(const char *path, struct machine *machine) {
  lucet_linker *linker;
  lucet_module *module;
  lucet_region *region;
  lucet_instance *guest;
  must(lucet_signals_install(0), "signals");
  must(lucet_linker_new(&linker), "linker");
  must(wasi_define(linker), "wasi");
  must(LUCET_DEFINE(linker, "protect", NULL, LUCET_HOST("try", try_call, void, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("throw", throw_now, void)),
       "protect");
  lucet_load_options options = lucet_load_options_default();
  options.problem = problem;
  must(lucet_module_load_file(path, linker, &options, &module), path);
  lucet_linker_release(linker);
  lucet_region_config config = lucet_region_config_default();
  config.instances = 1;
  config.memory_bytes = 1u << 30;
  config.stack_bytes = 8u << 20;
  config.callback_depth = 250;
  must(lucet_region_config_fit(&config, module), "region");
  must(lucet_region_new(&config, &region), "region");
  must(lucet_instance_new(region, module, machine, NULL, &guest), "instance");
  lucet_region_release(region);
  lucet_module_release(module);
  return guest;
}

static int finish(const lucet_instance *guest, const lucet_outcome *outcome) {
  char line[2000];
  fflush(stdout);
  if (outcome->kind == LUCET_RETURNED) return 0;
  if (outcome->kind == LUCET_TERMINATED && outcome->detail == LUCET_STOP_EXIT) return (int)outcome->token;
  lucet_instance_describe(guest, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  return 99;
}

int main(int argc, char **argv) {
  struct machine machine = {.clock = 1700000000000000000u, .random = 1};
  lucet_outcome outcome;
  if (argc != 3) {
    fprintf(stderr, "usage: host MODULE INPUT\n");
    return 98;
  }
  char *text = read_file(argv[2], &machine.length);
  machine.input = text;
  lucet_instance *guest = make(argv[1], &machine);
  must(lucet_instance_run(guest, "_start", NULL, 0, &outcome), "_start");
  int status = finish(guest, &outcome);
  must(lucet_instance_release(guest), "release");
  free(text);
  return status;
}
