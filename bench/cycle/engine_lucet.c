/* engine_lucet.c: Lucet through its public API, as a server would use it: results checked, statuses looked
 * at. */
#define _GNU_SOURCE
#include "engine.h"
#include <lucet.h>

static char directory_of[512];
static lucet_linker *linker;
static lucet_module *module;
static lucet_region *region;
static lucet_instance *resident; /* stays alive for the rows that only call */
static const lucet_func *add_function;
LUCET_ENTRY(add_entry, int32_t, int32_t, int32_t);
LUCET_ENTRY(out_entry, int32_t, int32_t);
LUCET_ENTRY(leaf_entry, int32_t, int32_t);
LUCET_ENTRY(hello_entry, int32_t);
LUCET_ENTRY(grow_entry, int32_t);
LUCET_ENTRY(trap_entry, void);
LUCET_ENTRY(scatter_entry, int32_t, int32_t);

/* Guests of other shapes, with a function touch(pages). */
struct other {
  const char *name;
  lucet_module *module;
  LUCET_ENTRY(touch, int32_t, int32_t);
  lucet_region *region; /* of its own, if any */
};
static struct other data_1m = {.name = "data1m"}, data_16m = {.name = "data16m"},
                    table = {.name = "table10k"}, tenant = {.name = "tenant"};

#define NEED(call)                                                                                           \
  do {                                                                                                       \
    if (call) bench_fail("lucet: %s: %s", #call, lucet_last_error());                                        \
  } while (0)
#define RETURNED(call)                                                                                       \
  do {                                                                                                       \
    if ((call) != LUCET_RETURNED) bench_fail("lucet: %s: %s", #call, lucet_last_error());                    \
  } while (0)

static uint32_t host(lucet_call *call, uint32_t left, uint32_t right) {
  (void)call;
  return host_answer(left, right);
}

/* `only`: a module whose size its instances have, so that a page holds their state and their stack's end. */
static lucet_region *make_region(uint32_t instances, const lucet_module *only) {
  lucet_region *made = NULL;
  lucet_region_config config = lucet_region_config_default();
  config.instances = instances;
  config.memory_bytes = 32u << 20;
  if (only) {
    config.state_bytes = 1024;
    config.table_elements = 1;
    config.values = 2;
    lucet_region_config_fit(&config, only);
  }
  NEED(lucet_region_new(&config, &made));
  return made;
}

static void find_entries(void) {
  bool found = LUCET_FIND(add_entry, module, "add", int32_t, int32_t, int32_t) &&
               LUCET_FIND(out_entry, module, "out", int32_t, int32_t) &&
               LUCET_FIND(leaf_entry, module, "out_leaf", int32_t, int32_t) &&
               LUCET_FIND(hello_entry, module, "hello", int32_t) &&
               LUCET_FIND(grow_entry, module, "grow", int32_t) &&
               LUCET_FIND(trap_entry, module, "trap", void) &&
               LUCET_FIND(scatter_entry, module, "scatter", int32_t, int32_t);
  if (!found) bench_fail("lucet: %s", lucet_last_error());
  NEED(lucet_module_func(module, "add", &add_function));
}

static void load(const char *directory) {
  snprintf(directory_of, sizeof directory_of, "%s", directory);
  char path[600];
  snprintf(path, sizeof path, "%s/guest.so", directory);
  NEED(lucet_signals_install(0));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("host", host, uint32_t, uint32_t, uint32_t),
                    LUCET_HOST_LEAF("leaf", host, uint32_t, uint32_t, uint32_t)));
  NEED(lucet_module_load_file(path, linker, NULL, &module));
  find_entries();
}

static void load_other(struct other *other) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s.so", directory_of, other->name);
  NEED(lucet_module_load_file(path, linker, NULL, &other->module));
  if (!LUCET_FIND(other->touch, other->module, "touch", int32_t, int32_t))
    bench_fail("lucet: %s", lucet_last_error());
}

static void open_engine(const struct engine *self, const char *directory, unsigned slots) {
  (void)self;
  load(directory);
  region = make_region(slots, module);
  NEED(lucet_instance_new(region, module, NULL, NULL, &resident));
}

static uint64_t call_handle(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--) {
    lucet_outcome outcome;
    lucet_value arguments[2] = {lucet_value_i32((int32_t)argument), lucet_value_i32(2)};
    NEED(lucet_instance_call(resident, add_function, arguments, 2, &outcome));
    if (outcome.kind != LUCET_RETURNED) bench_fail("lucet: the guest did not return");
    sum += (uint32_t)outcome.values[0].of.i32;
  }
  return sum;
}

static uint64_t call_entry(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--) {
    int32_t result;
    RETURNED(add_entry(resident, &result, (int32_t)argument, 2));
    sum += (uint32_t)result;
  }
  return sum;
}

static uint64_t call_out(uint64_t leaf, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--) {
    int32_t result;
    RETURNED((leaf ? leaf_entry : out_entry)(resident, &result, OUT_CALLS));
    sum += (uint32_t)result;
  }
  return sum;
}

static uint64_t cycles_in(lucet_region *in, const struct other *guest_of, uint64_t pages, uint64_t count) {
  uint64_t sum = 0;
  for (; count; count--) {
    lucet_instance *guest;
    int32_t result;
    NEED(lucet_instance_new(in, guest_of->module, NULL, NULL, &guest));
    RETURNED(guest_of->touch(guest, &result, (int32_t)pages));
    NEED(lucet_instance_release(guest));
    sum += (uint32_t)result;
  }
  return sum;
}

/* Modules and slots learn which pages guests write, and rows are interleaved. Rows whose guests write different pages have a
 * region each, and those of cycle/N a module each, as a server has for guests of different kinds; two_tenants/16 and scatter/16
 * measure what differences cost. */
static lucet_region *own_region(lucet_region **made, uint32_t instances) {
  if (!*made) *made = make_region(instances, NULL);
  return *made;
}

struct kind {
  uint64_t pages;
  lucet_region *region;
  struct other guest;
};

/* Made by the first use, which is that of a single thread; two threads then take a slot each. */
static const struct kind *kind_for(uint64_t pages) {
  static struct kind kinds[8];
  size_t i = 0;
  while (kinds[i].region && kinds[i].pages != pages)
    if (++i == sizeof kinds / sizeof *kinds) bench_fail("lucet: too many numbers of pages");
  if (!kinds[i].region) {
    kinds[i] = (struct kind){.pages = pages, .guest = {.name = "guest"}};
    load_other(&kinds[i].guest);
    kinds[i].region = make_region(2, kinds[i].guest.module);
  }
  return &kinds[i];
}

static uint64_t cycle(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  const struct kind *kind = kind_for(pages);
  return cycles_in(kind->region, &kind->guest, pages, count);
}

static uint64_t reset(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  const struct kind *kind = kind_for(pages);
  uint64_t sum = 0;
  lucet_instance *guest;
  NEED(lucet_instance_new(kind->region, kind->guest.module, NULL, NULL, &guest));
  for (; count; count--) {
    int32_t result;
    RETURNED(kind->guest.touch(guest, &result, (int32_t)pages));
    NEED(lucet_instance_reset(guest));
    sum += (uint32_t)result;
  }
  NEED(lucet_instance_release(guest));
  return sum;
}

/* A new instance of another guest, one call, its end. */
static uint64_t cycle_other(uint64_t pages, void *context, uint64_t count) {
  struct other *guest_of = context;
  return cycles_in(own_region(&guest_of->region, 2), guest_of, pages, count);
}

/* Two tenants by turns; one unit is a cycle of each. */
static uint64_t alternate(uint64_t pages, void *context, uint64_t count) {
  static lucet_region *own;
  lucet_region *in = own_region(&own, 2);
  uint64_t sum = 0;
  for (; count; count--)
    sum += cycles_in(in, &kind_for(pages)->guest, pages, 1) + cycles_in(in, context, pages, 1);
  return sum;
}

/* Other pages every time. */
static uint64_t scatter(uint64_t argument, void *context, uint64_t count) {
  static uint32_t seed;
  (void)argument, (void)context;
  static lucet_region *own;
  lucet_region *in = own_region(&own, 1);
  uint64_t sum = 0;
  for (; count; count--) {
    lucet_instance *guest;
    int32_t result;
    NEED(lucet_instance_new(in, module, NULL, NULL, &guest));
    RETURNED(scatter_entry(guest, &result, (int32_t)(seed += 2)));
    NEED(lucet_instance_release(guest));
    sum += (uint32_t)result;
  }
  return sum;
}

static uint64_t grow(uint64_t argument, void *context, uint64_t count) {
  (void)argument, (void)context;
  static lucet_region *own;
  lucet_region *in = own_region(&own, 1);
  uint64_t sum = 0;
  for (; count; count--) {
    lucet_instance *guest;
    int32_t result;
    NEED(lucet_instance_new(in, module, NULL, NULL, &guest));
    RETURNED(grow_entry(guest, &result));
    NEED(lucet_instance_release(guest));
    sum += (uint32_t)result;
  }
  return sum;
}

static uint64_t trap(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  static lucet_region *own;
  lucet_region *in = own_region(&own, 1);
  uint64_t sum = 0;
  for (; count; count--) {
    lucet_instance *guest;
    NEED(lucet_instance_new(in, module, NULL, NULL, &guest));
    if (trap_entry(guest, NULL) != LUCET_TRAPPED) bench_fail("lucet: no trap");
    NEED(lucet_instance_release(guest));
    sum += argument;
  }
  return sum;
}

/* Many slots in turn, so that each is cold in the caches when it is used. They stay alive between batches. */
static uint64_t in_turn(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  static lucet_instance *guests[SLOTS];
  static size_t next;
  static lucet_region *own;
  lucet_region *in = own_region(&own, SLOTS);
  const struct other *of = &kind_for(pages)->guest;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i++, next = (next + 1) % SLOTS) {
    int32_t result;
    if (guests[next]) NEED(lucet_instance_release(guests[next]));
    NEED(lucet_instance_new(in, of->module, NULL, NULL, &guests[next]));
    RETURNED(of->touch(guests[next], &result, (int32_t)pages));
    sum += (uint32_t)result;
  }
  return sum;
}

static uint64_t copy(uint64_t bytes, void *context, uint64_t count) {
  static uint8_t buffer[1 << 20];
  (void)context;
  for (uint64_t i = 0; i < count; i++) {
    NEED(lucet_instance_read(resident, 0, 65536 * (i & 1), buffer, bytes));
    NEED(lucet_instance_write(resident, 0, 65536, buffer, bytes));
  }
  return bytes * count;
}

static uint64_t load_module(uint64_t flags, void *name, uint64_t count) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s.so", directory_of, (const char *)name);
  lucet_load_options options = lucet_load_options_default();
  options.flags = (uint32_t)flags;
  for (uint64_t i = 0; i < count; i++) {
    lucet_module *loaded;
    NEED(lucet_module_load_file(path, linker, &options, &loaded));
    lucet_module_release(loaded);
  }
  return count;
}

static void add(const struct engine *self, struct bench_list *list) {
  (void)self;
  bench_add(list, "call_in", "lucet", call_handle, 40, NULL, 1);
  bench_add(list, "call_in_stub", "lucet", call_entry, 40, NULL, 1);
  bench_add(list, "call_out", "lucet", call_out, 0, NULL, OUT_CALLS);
  bench_add(list, "call_out_leaf", "lucet", call_out, 1, NULL, OUT_CALLS);
#define ROW(row, pages) bench_add(list, row, "lucet", cycle, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
#define ROW(row, pages) bench_add(list, row, "lucet_reset", reset, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
  bench_add(list, "grow", "lucet", grow, 0, NULL, 1);
  bench_add(list, "trap", "lucet", trap, 1, NULL, 1);
  load_other(&data_1m), load_other(&data_16m), load_other(&table), load_other(&tenant);
  bench_add(list, "data/1m", "lucet", cycle_other, 1, &data_1m, 1);
  bench_add(list, "data/16m", "lucet", cycle_other, 1, &data_16m, 1);
  bench_add(list, "table/10000", "lucet", cycle_other, 1, &table, 1);
  bench_add(list, "two_tenants/16", "lucet", alternate, 16, &tenant, 2);
  bench_add(list, "scatter/16", "lucet", scatter, 0, NULL, 1);
  bench_add(list, "in_turn/16", "lucet", in_turn, 16, NULL, 1);
  bench_add(list, "copy/16", "lucet", copy, 16, NULL, 1);
  bench_add(list, "copy/4096", "lucet", copy, 4096, NULL, 1);
  bench_add(list, "copy/1000000", "lucet", copy, 1000000, NULL, 1);
#define ROW(row, name)                                                                                       \
  bench_add(list, row, "lucet", load_module, LUCET_LOAD_IN_PLACE | LUCET_LOAD_TRUSTED, name, 1);              \
  bench_add(list, row, "lucet_checked", load_module, LUCET_LOAD_IN_PLACE, name, 1);                           \
  bench_add(list, row, "lucet_sealed", load_module, 0, name, 1);
  ROW("load/100k", "load100k")
  ROW("load/1m", "load1m")
#undef ROW
}

static void idle(const struct engine *self, unsigned count, bool release) {
  (void)self;
  static lucet_instance *guests[IDLE_COMPACT + IDLE_WARM];
  static unsigned made;
  for (unsigned end = made + count; made < end; made++) {
    int32_t result;
    NEED(lucet_instance_new(region, module, NULL, NULL, &guests[made]));
    RETURNED(hello_entry(guests[made], &result));
  }
  while (release && made)
    NEED(lucet_instance_release(guests[--made]));
}

/* As docs/many-instances.md says. */
static void open_compact(const struct engine *self, const char *directory, unsigned slots) {
  char path[600];
  lucet_region_config config = lucet_region_config_default();
  (void)self;
  snprintf(path, sizeof path, "%s/small.so", directory);
  NEED(lucet_signals_install(LUCET_SIGNALS_ONSTACK));
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("host", host, uint32_t, uint32_t, uint32_t)));
  NEED(lucet_module_load_file(path, linker, NULL, &module));
  if (!LUCET_FIND(hello_entry, module, "hello", int32_t)) bench_fail("lucet: %s", lucet_last_error());
  config.flags = LUCET_REGION_COMPACT;
  config.instances = slots;
  config.memory_bytes = 64 << 10;
  config.stack_bytes = 64 << 10;
  config.state_bytes = 256;
  config.table_elements = 1;
  config.values = 1;
  lucet_region_config_fit(&config, module);
  NEED(lucet_region_new(&config, &region));
}

const struct engine engine_lucet = {"lucet", NULL, open_engine, add, cycle, idle, IDLE_SLOTS};
const struct engine engine_lucet_compact = {"lucet_compact", NULL, open_compact, NULL, NULL, idle, IDLE_COMPACT};
