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

static lucet_region *region;
static struct log logged = {0, -1, ""};

static int32_t own_write(lucet_call *call, int32_t fd, int32_t vectors, int32_t count, int32_t written) {
  (void)call;
  (void)vectors;
  (void)count;
  (void)written;
  return 1000 + fd;
}

/* A linker with the stub, and a guest of it; what the host has defined before stays the host's. */
static lucet_instance *start(const lucet_wasi_options *options, int own) {
  lucet_linker *linker = NULL;
  lucet_module *module;
  lucet_instance *guest;
  NEED(lucet_linker_new(&linker));
  if (own)
    NEED(LUCET_DEFINE(linker, "wasi_snapshot_preview1", NULL,
                      LUCET_HOST("fd_write", own_write, int32_t, int32_t, int32_t, int32_t, int32_t)));
  OK(lucet_linker_define_wasi_stub(linker, options));
  module = fixture_module("wasi", linker);
  lucet_linker_release(linker);
  guest = fixture_instance(region, module, NULL);
  lucet_module_release(module);
  return guest;
}

static void output_and_exit(void) {
  lucet_instance *guest = start(NULL, 0);
  lucet_outcome outcome;
  EQUAL(RUN0(guest, "arguments"), 0);
  EQUAL(RUN0(guest, "environment"), 0);
  EQUAL(RUN1(guest, "write", 1), 0);
  EQUAL(logged.lines, 1);
  EQUAL(logged.level, LUCET_LOG_GUEST);
  CONTAINS(logged.text, "hello from wasi");
  CHECK(strchr(logged.text, '\n') == NULL);
  EQUAL(RUN1(guest, "write", 2), 0);
  EQUAL(logged.lines, 2);
  CHECK(RUN1(guest, "write", 77) != 0); /* no such descriptor: an error for the guest */
  EQUAL(logged.lines, 2);
  OK(run_i32(guest, "exit", 1, 3, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_EXIT);
  EQUAL(outcome.token, 3);
  CONTAINS(describe(guest), "exited with status 3");
  STATUS(LUCET_NEEDS_RESET, run_i32(guest, "exit", 1, 3, 0, &outcome));
  OK(lucet_instance_release(guest));
}

static void texts(void) {
  static const char *const arguments[] = {"program", "--flag"}, *const environment[] = {"KEY=value"};
  lucet_wasi_options options = lucet_wasi_options_default();
  lucet_instance *guest;
  uint32_t first = 0;
  char text[32] = "";
  options.arguments = arguments;
  options.argument_count = 2;
  options.environment = environment;
  options.environment_count = 1;
  guest = start(&options, 1);
  EQUAL(RUN0(guest, "arguments"), 2);
  EQUAL(RUN0(guest, "environment"), 1);
  OK(lucet_instance_read(guest, 0, 512, &first, 4));
  OK(lucet_instance_read(guest, 0, first, text, sizeof "program"));
  CHECK(!strcmp(text, "program"));
  EQUAL(RUN1(guest, "write", 5), 1005);
  OK(lucet_instance_release(guest));
}

static void refusals(void) {
  lucet_wasi_options options = lucet_wasi_options_default();
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_wasi_stub(NULL, NULL));
  options.struct_size = 8;
  STATUS(LUCET_BAD_STRUCT, lucet_linker_define_wasi_stub(linker, &options));
  options = lucet_wasi_options_default();
  options.argument_count = 1;
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_define_wasi_stub(linker, &options));
  OK(lucet_linker_define_wasi_stub(linker, NULL)); /* what was refused defined nothing */
  lucet_linker_release(linker);
}

int main(void) {
  lucet_region_config config = lucet_region_config_default();
  NEED(lucet_signals_install(0));
  config.instances = 1;
  config.log = log_line;
  config.log_data = &logged;
  NEED(lucet_region_new(&config, &region));
  output_and_exit();
  texts();
  refusals();
  lucet_region_release(region);
  return finish();
}
