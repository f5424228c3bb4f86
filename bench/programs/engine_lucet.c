/* engine_lucet.c: the programs as modules that lucetc has compiled. Each has a region of its own with one
 * slot, as slots learn from the guests that they have had.
 *
 * Not here: what the host functions do (wasi.c). */
#include "engine.h"
#include "wasi.h"
#include <lucet.h>
#include <stdlib.h>

/* The reason of a termination that is a throw. */
#define THROWN 0x7468726f77ull

struct guest {
  const struct program *program;
  lucet_module *module;
  lucet_region *region;
  const lucet_func *start, *protected_call; /* the second only in Lua */
};

/* What wasi.c is given, and an instance as its data. */
struct running {
  struct wasi wasi; /* first */
  const struct guest *guest;
};

static struct wasi *enter(lucet_call *call) {
  struct wasi *wasi = lucet_call_instance_data(call);
  lucet_instance *instance = lucet_call_instance(call);
  wasi->length = lucet_instance_memory(instance, 0).size;
  if (lucet_instance_view_mut(instance, 0, 0, wasi->length, &wasi->memory) != LUCET_OK) wasi->length = 0;
  return wasi;
}

static uint32_t clock_time_get(lucet_call *call, uint32_t id, uint64_t precision, uint32_t address) {
  return wasi_clock_time_get(enter(call), id, precision, address);
}
static uint32_t fd_close(lucet_call *call, uint32_t fd) { return wasi_fd_close(enter(call), fd); }
static uint32_t fd_fdstat_get(lucet_call *call, uint32_t fd, uint32_t address) {
  return wasi_fd_fdstat_get(enter(call), fd, address);
}
static uint32_t fd_prestat_get(lucet_call *call, uint32_t fd, uint32_t address) {
  return wasi_fd_prestat_get(enter(call), fd, address);
}
static uint32_t fd_read(lucet_call *call, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t got) {
  return wasi_fd_read(enter(call), fd, pieces, count, got);
}
static uint32_t fd_seek(lucet_call *call, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t position) {
  return wasi_fd_seek(enter(call), fd, offset, whence, position);
}
static uint32_t fd_write(lucet_call *call, uint32_t fd, uint32_t pieces, uint32_t count, uint32_t written) {
  return wasi_fd_write(enter(call), fd, pieces, count, written);
}
static uint32_t random_get(lucet_call *call, uint32_t address, uint32_t length) {
  return wasi_random_get(enter(call), address, length);
}

/* The host's half of tests/programs/src/lua_try.h. */
static void try_call(lucet_call *call, uint32_t function, uint32_t state, uint32_t data) {
  const struct running *running = lucet_call_instance_data(call);
  lucet_value arguments[3] = {lucet_value_i32((int32_t)function), lucet_value_i32((int32_t)state),
                              lucet_value_i32((int32_t)data)};
  lucet_outcome outcome;
  if (lucet_call_func(call, running->guest->protected_call, arguments, 3, &outcome) != LUCET_OK) return;
  if (outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_HOST && outcome.token == THROWN)
    lucet_instance_keep(lucet_call_instance(call));
}

static void throw_now(lucet_call *call) { lucet_call_terminate(call, THROWN); }

static void must(lucet_status status, const char *what) {
  if (status != LUCET_OK) bench_fail("lucet: %s: %s", what, lucet_last_error());
}

/* The functions that the programs need, then the library's for the rest: proc_exit is one of those. */
static void define(lucet_linker *linker) {
  must(LUCET_DEFINE(linker, "wasi_snapshot_preview1", NULL,
                    LUCET_HOST("clock_time_get", clock_time_get, uint32_t, uint32_t, uint64_t, uint32_t),
                    LUCET_HOST("fd_close", fd_close, uint32_t, uint32_t),
                    LUCET_HOST("fd_fdstat_get", fd_fdstat_get, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("fd_prestat_get", fd_prestat_get, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("fd_read", fd_read, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("fd_seek", fd_seek, uint32_t, uint32_t, uint64_t, uint32_t, uint32_t),
                    LUCET_HOST("fd_write", fd_write, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("random_get", random_get, uint32_t, uint32_t, uint32_t)),
       "wasi");
  must(lucet_linker_define_wasi_stub(linker, NULL), "the stub of wasi");
  must(LUCET_DEFINE(linker, "protect", NULL, LUCET_HOST("try", try_call, void, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST("throw", throw_now, void)),
       "protect");
}

static void *open_guest(const struct program *program) {
  struct guest *self = calloc(1, sizeof *self);
  lucet_linker *linker;
  if (!self) bench_fail("no memory");
  self->program = program;
  must(lucet_signals_install(0), "signals");
  must(lucet_linker_new(&linker), "linker");
  define(linker);
  must(lucet_module_load_file(program_file(program, ".so"), linker, NULL, &self->module), program->name);
  lucet_linker_release(linker);
  must(lucet_module_func(self->module, "_start", &self->start), "_start");
  if (lucet_module_func(self->module, "protected_call", &self->protected_call) != LUCET_OK)
    self->protected_call = NULL;
  /* As in tests/programs/host.c: Lua fills the stack and nests its errors on purpose. */
  lucet_region_config config = lucet_region_config_default();
  config.instances = 1;
  config.memory_bytes = 1u << 30;
  config.stack_bytes = 8u << 20;
  config.callback_depth = 250;
  must(lucet_region_config_fit(&config, self->module), "region");
  must(lucet_region_new(&config, &self->region), "region");
  return self;
}

static uint64_t run(void *opened) {
  const struct guest *self = opened;
  struct running running = {.wasi = wasi_start(self->program->input, self->program->input_length),
                            .guest = self};
  lucet_instance *instance;
  lucet_outcome outcome;
  must(lucet_instance_new(self->region, self->module, &running, NULL, &instance), "instance");
  must(lucet_instance_call(instance, self->start, NULL, 0, &outcome), "_start");
  bool exited = outcome.kind == LUCET_TERMINATED && outcome.detail == LUCET_STOP_EXIT;
  if (outcome.kind != LUCET_RETURNED && !exited) {
    char line[2000];
    lucet_instance_describe(instance, line, sizeof line);
    bench_fail("lucet: %s: %s", self->program->name, line);
  }
  uint64_t answer = wasi_answer(running.wasi.output, exited ? outcome.token : 0);
  must(lucet_instance_release(instance), "release");
  return answer;
}

const struct engine engine_lucet = {"lucet", open_guest, run};
