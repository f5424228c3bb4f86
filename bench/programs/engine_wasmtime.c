/* engine_wasmtime.c: the programs by wasmtime's C API, compiled in this process with its defaults: imports
 * resolved once (instance_pre), unchecked calls in both directions.
 *
 * Invariants: an engine for all programs; the host functions get what they work on as the data that they were
 * defined with, as one guest of a program runs at a time. Not here: what the host functions do (wasi.c). */
#include "engine.h"
#include "wasi.h"
#include <stdlib.h>
#include <string.h>
#include <wasm.h>
#include <wasmtime.h>

struct guest {
  const struct program *program;
  wasmtime_linker_t *linker;
  wasmtime_instance_pre_t *pre;
  /* Of the instance that runs. */
  struct wasi wasi;
  wasmtime_memory_t memory;
  wasmtime_func_t protected_call;
  bool exited, thrown; /* why it leaves; neither: a trap */
  uint32_t status;
};

static wasm_engine_t *engine;

static void need(wasmtime_error_t *error, wasm_trap_t *trap, const char *what) {
  if (!error && !trap) return;
  wasm_byte_vec_t message;
  if (error)
    wasmtime_error_message(error, &message);
  else
    wasm_trap_message(trap, &message);
  bench_fail("wasmtime: %s: %.*s", what, (int)message.size, message.data);
}

static struct wasi *enter(struct guest *self, wasmtime_caller_t *caller) {
  wasmtime_context_t *context = wasmtime_caller_context(caller);
  self->wasi.memory = wasmtime_memory_data(context, &self->memory);
  self->wasi.length = wasmtime_memory_data_size(context, &self->memory);
  return &self->wasi;
}

/* A host function that answers what a function of wasi.c does. */
#define W(index) ((uint32_t)values[index].i32)
#define D(index) ((uint64_t)values[index].i64)
#define ADAPT(name, ...)                                                                                     \
  static wasm_trap_t *name(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,                \
                           size_t count) {                                                                   \
    (void)count;                                                                                             \
    values[0].i32 = (int32_t)wasi_##name(enter(data, caller), __VA_ARGS__);                                  \
    return NULL;                                                                                             \
  }
ADAPT(clock_time_get, W(0), D(1), W(2))
ADAPT(fd_close, W(0))
ADAPT(fd_fdstat_get, W(0), W(1))
ADAPT(fd_prestat_get, W(0), W(1))
ADAPT(fd_read, W(0), W(1), W(2), W(3))
ADAPT(fd_seek, W(0), D(1), W(2), W(3))
ADAPT(fd_write, W(0), W(1), W(2), W(3))
ADAPT(random_get, W(0), W(1))

/* Calls the guest; false when it has left by itself, through one of the two functions that use leave(). Such
 * an end comes back as an error or as a trap, whichever the version of wasmtime likes. */
static bool call(const struct guest *self, wasmtime_context_t *context, const wasmtime_func_t *function,
                 wasmtime_val_raw_t *values, size_t count) {
  wasm_trap_t *trap = NULL;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(context, function, values, count, &trap);
  if (!self->exited && !self->thrown) need(error, trap, self->program->name);
  if (error) wasmtime_error_delete(error);
  if (trap) wasm_trap_delete(trap);
  return !error && !trap;
}

/* A host function has no other way to end what called it. A code is cheaper than a message. */
static wasm_trap_t *leave(void) { return wasmtime_trap_new_code(WASMTIME_TRAP_CODE_INTERRUPT); }

static wasm_trap_t *proc_exit(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                              size_t count) {
  struct guest *self = data;
  (void)caller, (void)count;
  self->exited = true;
  self->status = W(0);
  return leave();
}

/* The host's half of tests/programs/src/lua_try.h. */
static wasm_trap_t *try_call(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                             size_t count) {
  struct guest *self = data;
  bool returned = call(self, wasmtime_caller_context(caller), &self->protected_call, values, count);
  if (self->exited) return leave();
  if (!returned) self->thrown = false;
  return NULL;
}

static wasm_trap_t *throw_now(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                              size_t count) {
  struct guest *self = data;
  (void)caller, (void)values, (void)count;
  self->thrown = true;
  return leave();
}

/* Parameters and results as text: i for i32, I for i64. */
static wasm_valtype_vec_t types(const char *letters) {
  wasm_valtype_t *list[4];
  wasm_valtype_vec_t result;
  size_t count = strlen(letters);
  for (size_t i = 0; i < count; i++)
    list[i] = letters[i] == 'I' ? wasm_valtype_new_i64() : wasm_valtype_new_i32();
  wasm_valtype_vec_new(&result, count, list);
  return result;
}

struct row {
  const char *module, *name, *parameters, *results;
  wasmtime_func_unchecked_callback_t function;
};
static const char wasi_module[] = "wasi_snapshot_preview1", protect_module[] = "protect";
static const struct row rows[] = {
    {wasi_module, "clock_time_get", "iIi", "i", clock_time_get},
    {wasi_module, "fd_close", "i", "i", fd_close},
    {wasi_module, "fd_fdstat_get", "ii", "i", fd_fdstat_get},
    {wasi_module, "fd_prestat_get", "ii", "i", fd_prestat_get},
    {wasi_module, "fd_read", "iiii", "i", fd_read},
    {wasi_module, "fd_seek", "iIii", "i", fd_seek},
    {wasi_module, "fd_write", "iiii", "i", fd_write},
    {wasi_module, "proc_exit", "i", "", proc_exit},
    {wasi_module, "random_get", "ii", "i", random_get},
    {protect_module, "try", "iii", "", try_call},
    {protect_module, "throw", "", "", throw_now},
};

static void define(struct guest *self, const struct row *row) {
  wasm_valtype_vec_t parameters = types(row->parameters), results = types(row->results);
  wasm_functype_t *type = wasm_functype_new(&parameters, &results);
  need(wasmtime_linker_define_func_unchecked(self->linker, row->module, strlen(row->module), row->name,
                                             strlen(row->name), type, row->function, self, NULL),
       NULL, row->name);
  wasm_functype_delete(type);
}

static bool find(wasmtime_context_t *context, const wasmtime_instance_t *instance, const char *name,
                 wasmtime_extern_kind_t kind, wasmtime_extern_t *item) {
  return wasmtime_instance_export_get(context, instance, name, strlen(name), item) && item->kind == kind;
}

static void *open_guest(const struct program *program) {
  struct guest *self = calloc(1, sizeof *self);
  size_t length;
  uint8_t *bytes = bench_read(program_file(program, ".wasm"), &length);
  wasmtime_module_t *module;
  if (!self || (!engine && !(engine = wasm_engine_new()))) bench_fail("wasmtime: no engine");
  self->program = program;
  need(wasmtime_module_new(engine, bytes, length, &module), NULL, program->name);
  free(bytes);
  self->linker = wasmtime_linker_new(engine);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    define(self, &rows[i]);
  need(wasmtime_linker_define_unknown_imports_as_traps(self->linker, module), NULL, "imports");
  need(wasmtime_linker_instantiate_pre(self->linker, module, &self->pre), NULL, program->name);
  return self;
}

static uint64_t run(void *opened) {
  struct guest *self = opened;
  wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
  wasmtime_context_t *context = wasmtime_store_context(store);
  wasmtime_instance_t instance;
  wasmtime_extern_t memory, start, protected_call;
  wasm_trap_t *trap = NULL;
  wasmtime_val_raw_t none;
  self->wasi = wasi_start(self->program->input, self->program->input_length);
  self->exited = self->thrown = false;
  need(wasmtime_instance_pre_instantiate(self->pre, context, &instance, &trap), trap, "instance");
  if (!find(context, &instance, "memory", WASMTIME_EXTERN_MEMORY, &memory) ||
      !find(context, &instance, "_start", WASMTIME_EXTERN_FUNC, &start))
    bench_fail("wasmtime: %s: no memory, or no _start", self->program->name);
  self->memory = memory.of.memory;
  if (find(context, &instance, "protected_call", WASMTIME_EXTERN_FUNC, &protected_call))
    self->protected_call = protected_call.of.func; /* only in Lua */
  (void)call(self, context, &start.of.func, &none, 0);
  if (self->thrown) bench_fail("wasmtime: %s: nobody catches what is thrown", self->program->name);
  wasmtime_store_delete(store);
  return wasi_answer(self->wasi.output, self->exited ? self->status : 0);
}

const struct engine engine_wasmtime = {"wasmtime", open_guest, run};
