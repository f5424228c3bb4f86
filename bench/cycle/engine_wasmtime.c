/* engine_wasmtime.c: wasmtime through its C API as fast as that can be used: pooling allocator, imports
 * resolved once (instance_pre), unchecked calls in both directions. Three engines, which differ in how much
 * memory a slot keeps resident; the report takes the best of them for each row. */
#define _GNU_SOURCE
#include "engine.h"
#include <stdlib.h>
#include <string.h>
#include <wasm.h>
#include <wasmtime.h>

/* Guests of other shapes, with a function touch(pages). */
struct other {
  struct state *state;
  wasmtime_module_t *module;
  wasmtime_instance_pre_t *pre;
};

struct state {
  size_t keep_resident;
  wasm_engine_t *engine;
  wasmtime_module_t *module;
  wasmtime_linker_t *linker;
  wasmtime_instance_pre_t *pre;
  wasmtime_store_t *store; /* for the rows that only call */
  wasmtime_func_t add, out, leaf;
  wasmtime_store_t *stores[SLOTS]; /* for the row that uses them in turn */
  size_t next;
  struct other data_1m, data_16m, table, tenant;
  char directory[512];
};

static void need(wasmtime_error_t *error, wasm_trap_t *trap, const char *what) {
  if (!error && !trap) return;
  wasm_byte_vec_t message;
  if (error)
    wasmtime_error_message(error, &message);
  else
    wasm_trap_message(trap, &message);
  bench_fail("wasmtime: %s: %.*s", what, (int)message.size, message.data);
}

static wasm_trap_t *host(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
  (void)data, (void)caller, (void)count;
  values[0].i32 = (int32_t)host_answer((uint32_t)values[0].i32, (uint32_t)values[1].i32);
  return NULL;
}

static void define(struct state *state, const char *name) {
  wasm_functype_t *type =
      wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_i32(), wasm_valtype_new_i32());
  need(wasmtime_linker_define_func_unchecked(state->linker, "env", 3, name, strlen(name), type, host, NULL,
                                             NULL),
       NULL, name);
  wasm_functype_delete(type);
}

static wasm_engine_t *make_engine(size_t keep_resident, unsigned slots) {
  wasm_config_t *config = wasm_config_new();
  wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, slots + 1);
  wasmtime_pooling_allocation_config_total_memories_set(pool, slots + 1);
  wasmtime_pooling_allocation_config_total_tables_set(pool, slots + 1);
  wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, slots + 1);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, 32u << 20);
  wasmtime_pooling_allocation_config_table_elements_set(pool, 10000);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, keep_resident);
  wasmtime_pooling_allocation_config_table_keep_resident_set(pool, keep_resident);
  wasmtime_pooling_allocation_strategy_set(config, pool);
  wasmtime_pooling_allocation_config_delete(pool);
  wasm_engine_t *engine = wasm_engine_new_with_config(config);
  if (!engine) bench_fail("wasmtime: no engine");
  return engine;
}

static wasmtime_func_t find(wasmtime_context_t *context, const wasmtime_instance_t *instance,
                            const char *name) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(context, instance, name, strlen(name), &item) ||
      item.kind != WASMTIME_EXTERN_FUNC)
    bench_fail("wasmtime: no function %s", name);
  return item.of.func;
}

static wasmtime_store_t *instantiate_of(struct state *state, const wasmtime_instance_pre_t *pre,
                                        wasmtime_instance_t *instance) {
  wasm_trap_t *trap = NULL;
  wasmtime_store_t *store = wasmtime_store_new(state->engine, NULL, NULL);
  wasmtime_error_t *error =
      wasmtime_instance_pre_instantiate(pre, wasmtime_store_context(store), instance, &trap);
  if (error || trap) need(error, trap, "instantiate");
  return store;
}

static wasmtime_store_t *instantiate(struct state *state, wasmtime_instance_t *instance) {
  return instantiate_of(state, state->pre, instance);
}

static wasmtime_module_t *compile(struct state *state, const char *name) {
  char path[600];
  size_t length;
  wasmtime_module_t *module;
  snprintf(path, sizeof path, "%s/%s.wasm", state->directory, name);
  uint8_t *bytes = bench_read(path, &length);
  need(wasmtime_module_new(state->engine, bytes, length, &module), NULL, path);
  free(bytes);
  return module;
}

static void load_other(struct state *state, struct other *other, const char *name) {
  other->state = state;
  other->module = compile(state, name);
  need(wasmtime_linker_instantiate_pre(state->linker, other->module, &other->pre), NULL, name);
}

/* Compiles the modules of the load rows, and stores what deserialize_file wants. */
static void serialize(struct state *state, const char *name) {
  char path[600];
  wasmtime_module_t *module = compile(state, name);
  wasm_byte_vec_t image;
  need(wasmtime_module_serialize(module, &image), NULL, path);
  snprintf(path, sizeof path, "%s/%s.cwasm", state->directory, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(image.data, 1, image.size, file) != image.size || fclose(file))
    bench_fail("cannot write %s", path);
  wasm_byte_vec_delete(&image);
  wasmtime_module_delete(module);
}

static void open_engine(const struct engine *self, const char *directory, unsigned slots) {
  struct state *state = self->context;
  snprintf(state->directory, sizeof state->directory, "%s", directory);
  state->engine = make_engine(state->keep_resident, slots);
  state->module = compile(state, "guest");
  state->linker = wasmtime_linker_new(state->engine);
  define(state, "host");
  define(state, "leaf");
  need(wasmtime_linker_instantiate_pre(state->linker, state->module, &state->pre), NULL, "link");
  wasmtime_instance_t instance;
  state->store = instantiate(state, &instance);
  wasmtime_context_t *context = wasmtime_store_context(state->store);
  state->add = find(context, &instance, "add");
  state->out = find(context, &instance, "out");
  state->leaf = find(context, &instance, "out_leaf");
}

static int32_t call(wasmtime_context_t *context, const wasmtime_func_t *function, int32_t first,
                    int32_t second) {
  wasmtime_val_raw_t values[2];
  wasm_trap_t *trap = NULL;
  values[0].i32 = first;
  values[1].i32 = second;
  wasmtime_error_t *error = wasmtime_func_call_unchecked(context, function, values, 2, &trap);
  if (error || trap) need(error, trap, "call");
  return values[0].i32;
}

static uint64_t call_in(uint64_t argument, void *self, uint64_t count) {
  struct state *state = self;
  wasmtime_context_t *context = wasmtime_store_context(state->store);
  uint64_t sum = 0;
  for (; count; count--)
    sum += (uint32_t)call(context, &state->add, (int32_t)argument, 2);
  return sum;
}

static uint64_t call_out(uint64_t leaf, void *self, uint64_t count) {
  struct state *state = self;
  wasmtime_context_t *context = wasmtime_store_context(state->store);
  uint64_t sum = 0;
  for (; count; count--)
    sum += (uint32_t)call(context, leaf ? &state->leaf : &state->out, OUT_CALLS, 0);
  return sum;
}

/* A new instance, one call of touch, its end. */
static uint64_t fresh_of(struct state *state, const wasmtime_instance_pre_t *pre, const char *name,
                         int32_t argument, uint64_t count) {
  uint64_t sum = 0;
  for (; count; count--) {
    wasmtime_instance_t instance;
    wasmtime_store_t *store = instantiate_of(state, pre, &instance);
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_func_t function = find(context, &instance, name);
    sum += (uint32_t)call(context, &function, argument, 0);
    wasmtime_store_delete(store);
  }
  return sum;
}

static uint64_t fresh(struct state *state, const char *name, int32_t argument, uint64_t count) {
  return fresh_of(state, state->pre, name, argument, count);
}

static uint64_t cycle_other(uint64_t pages, void *context, uint64_t count) {
  struct other *other = context;
  return fresh_of(other->state, other->pre, "touch", (int32_t)pages, count);
}

static uint64_t alternate(uint64_t pages, void *context, uint64_t count) {
  struct other *other = context;
  uint64_t sum = 0;
  for (; count; count--)
    sum += fresh(other->state, "touch", (int32_t)pages, 1) + cycle_other(pages, other, 1);
  return sum;
}

static uint64_t scatter(uint64_t argument, void *state, uint64_t count) {
  static uint32_t seed;
  (void)argument;
  uint64_t sum = 0;
  for (; count; count--)
    sum += fresh(state, "scatter", (int32_t)(seed += 2), 1);
  return sum;
}

static uint64_t cycle(uint64_t pages, void *state, uint64_t count) {
  return fresh(state, "touch", (int32_t)pages, count);
}

static uint64_t grow(uint64_t argument, void *state, uint64_t count) {
  (void)argument;
  return fresh(state, "grow", 0, count);
}

static uint64_t trap_and_end(uint64_t argument, void *self, uint64_t count) {
  struct state *state = self;
  uint64_t sum = 0;
  for (; count; count--) {
    wasmtime_instance_t instance;
    wasmtime_store_t *store = instantiate(state, &instance);
    wasmtime_func_t function = find(wasmtime_store_context(store), &instance, "trap");
    wasmtime_val_raw_t value;
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(wasmtime_store_context(store), &function, &value, 1, &trap);
    if (error || !trap) bench_fail("wasmtime: no trap");
    wasm_trap_delete(trap);
    wasmtime_store_delete(store);
    sum += argument;
  }
  return sum;
}

static uint64_t in_turn(uint64_t pages, void *self, uint64_t count) {
  struct state *state = self;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i++, state->next = (state->next + 1) % SLOTS) {
    wasmtime_store_t **store = &state->stores[state->next];
    wasmtime_instance_t instance;
    if (*store) wasmtime_store_delete(*store);
    *store = instantiate(state, &instance);
    wasmtime_func_t function = find(wasmtime_store_context(*store), &instance, "touch");
    sum += (uint32_t)call(wasmtime_store_context(*store), &function, (int32_t)pages, 0);
  }
  return sum;
}

struct load {
  struct state *state;
  const char *name;
};

static uint64_t load_module(uint64_t argument, void *self, uint64_t count) {
  (void)argument;
  struct load *load = self;
  char path[600];
  snprintf(path, sizeof path, "%s/%s.cwasm", load->state->directory, load->name);
  for (uint64_t i = 0; i < count; i++) {
    wasmtime_module_t *module;
    need(wasmtime_module_deserialize_file(load->state->engine, path, &module), NULL, path);
    wasmtime_module_delete(module);
  }
  return count;
}

static void add(const struct engine *self, struct bench_list *list) {
  struct state *state = self->context;
#define ROW(row, pages) bench_add(list, row, self->name, cycle, pages, state, 1);
  CYCLE_ROWS(ROW)
#undef ROW
  bench_add(list, "grow", self->name, grow, 0, state, 1);
  bench_add(list, "trap", self->name, trap_and_end, 1, state, 1);
  load_other(state, &state->data_1m, "data1m");
  load_other(state, &state->data_16m, "data16m");
  load_other(state, &state->table, "table10k");
  load_other(state, &state->tenant, "tenant");
  bench_add(list, "data/1m", self->name, cycle_other, 1, &state->data_1m, 1);
  bench_add(list, "data/16m", self->name, cycle_other, 1, &state->data_16m, 1);
  bench_add(list, "table/10000", self->name, cycle_other, 1, &state->table, 1);
  bench_add(list, "two_tenants/16", self->name, alternate, 16, &state->tenant, 2);
  bench_add(list, "scatter/16", self->name, scatter, 0, state, 1);
  bench_add(list, "in_turn/16", self->name, in_turn, 16, state, 1);
  if (state->keep_resident) return; /* the rest does not depend on it */
  bench_add(list, "call_in", "wasmtime", call_in, 40, state, 1);
  bench_add(list, "call_in_stub", "wasmtime", call_in, 40, state, 1);
  bench_add(list, "call_out", "wasmtime", call_out, 0, state, OUT_CALLS);
  bench_add(list, "call_out_leaf", "wasmtime", call_out, 1, state, OUT_CALLS);
  static struct load small, large;
  small = (struct load){state, "load100k"};
  large = (struct load){state, "load1m"};
  serialize(state, small.name);
  serialize(state, large.name);
  bench_add(list, "load/100k", "wasmtime", load_module, 0, &small, 1);
  bench_add(list, "load/1m", "wasmtime", load_module, 0, &large, 1);
}

static void idle(const struct engine *self, unsigned count, bool release) {
  static wasmtime_store_t *stores[IDLE_SLOTS + IDLE_WARM];
  static unsigned made;
  struct state *state = self->context;
  for (unsigned end = made + count; made < end; made++) {
    wasmtime_instance_t instance;
    stores[made] = instantiate(state, &instance);
    wasmtime_context_t *context = wasmtime_store_context(stores[made]);
    wasmtime_func_t function = find(context, &instance, "hello");
    (void)call(context, &function, 0, 0);
  }
  while (release && made)
    wasmtime_store_delete(stores[--made]);
}

static struct state keep_0 = {.keep_resident = 0}, keep_64k = {.keep_resident = 64u << 10},
                    keep_1m = {.keep_resident = 1u << 20};
const struct engine engine_wasmtime_0 = {"wasmtime_keep_0", &keep_0, open_engine, add, cycle, idle, IDLE_SLOTS};
const struct engine engine_wasmtime_64k = {"wasmtime_keep_64k", &keep_64k, open_engine, add, cycle, idle, IDLE_SLOTS};
const struct engine engine_wasmtime_1m = {"wasmtime_keep_1m", &keep_1m, open_engine, add, cycle, idle, IDLE_SLOTS};
