/* wasi.c: the functions that a wasm32-wasi program wants while it starts. */
#include "fixture.h"

struct log {
  int lines;
  int level;
  char text[256];
};
static void log_line(void *data, int level, const char *text, size_t length) {
  struct log *log = data;
  log->lines++;
  log->level = level;
  snprintf(log->text, sizeof log->text, "%.*s", (int)length, text);
}

int main(void) {
  static const char *const arguments[] = {"program", "--flag"}, *const environment[] = {"KEY=value"};
  lucet_wasi_options options = lucet_wasi_options_default();
  lucet_region_config config = lucet_region_config_default();
  struct log log = {0, -1, ""};
  lucet_region *region = NULL;
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_instance *guest;
  lucet_outcome outcome;
  char text[32] = "";
  uint32_t first = 0;
  NEED(lucet_signals_install(0));
  config.instances = 1;
  config.log = log_line;
  config.log_data = &log;
  NEED(lucet_region_new(&config, &region));

  NEED(lucet_linker_new(&linker));
  OK(lucet_linker_define_wasi_stub(linker, NULL));
  STATUS(LUCET_BAD_ARGUMENT, lucet_linker_define_wasi_stub(linker, NULL)); /* the names are taken */
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_wasi_stub(NULL, NULL));
  module = fixture_module("wasi", linker);
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN0(guest, "arguments"), 0);
  EQUAL(RUN0(guest, "environment"), 0);
  EQUAL(RUN1(guest, "write", 1), 0);
  EQUAL(log.lines, 1);
  EQUAL(log.level, LUCET_LOG_GUEST);
  CONTAINS(log.text, "hello from wasi");
  CHECK(strchr(log.text, '\n') == NULL);
  EQUAL(RUN1(guest, "write", 2), 0);
  EQUAL(log.lines, 2);
  CHECK(RUN1(guest, "write", 77) != 0); /* no such descriptor: an error for the guest */
  EQUAL(log.lines, 2);
  OK(run_i32(guest, "exit", 1, 3, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_EXIT);
  EQUAL(outcome.token, 3);
  CONTAINS(describe(guest), "exited with status 3");
  STATUS(LUCET_NEEDS_RESET, run_i32(guest, "exit", 1, 3, 0, &outcome));
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_linker_release(linker);

  options.arguments = arguments;
  options.argument_count = 2;
  options.environment = environment;
  options.environment_count = 1;
  NEED(lucet_linker_new(&linker));
  OK(lucet_linker_define_wasi_stub(linker, &options));
  module = fixture_module("wasi", linker);
  lucet_linker_release(linker);
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN0(guest, "arguments"), 2);
  EQUAL(RUN0(guest, "environment"), 1);
  OK(lucet_instance_read(guest, 0, 512, &first, 4));
  OK(lucet_instance_read(guest, 0, first, text, sizeof "program"));
  CHECK(!strcmp(text, "program"));
  OK(lucet_instance_release(guest));
  lucet_module_release(module);

  NEED(lucet_linker_new(&linker));
  options.struct_size = 8;
  STATUS(LUCET_BAD_STRUCT, lucet_linker_define_wasi_stub(linker, &options));
  options = lucet_wasi_options_default();
  options.argument_count = 1;
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_wasi_stub(linker, &options));
  OK(lucet_linker_define_wasi_stub(linker, NULL)); /* what was refused defined nothing */
  lucet_linker_release(linker);
  lucet_region_release(region);
  return finish();
}
