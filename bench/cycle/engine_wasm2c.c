/* engine_wasm2c.c: the same guest as C from wasm2c, with wasm2c's own runtime. `wasm2c` catches traps, as its
 * runtime does it for its embedders (a sigsetjmp for each entry); `wasm2c_no_recovery` calls the function as
 * it is, so a trap would end the process: the lower bound of what a call can cost there.
 *
 * The runtime's signal handlers replace all others, so this engine is opened before the others, which put
 * theirs on top; nothing traps here. */
#define _GNU_SOURCE
#include "engine.h"
#include "wasm-rt-impl.h"
#include "guest_w2c.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>

struct Z_env_instance_t {
  int unused;
};
static struct Z_env_instance_t env;
static Z_guest_instance_t resident;
static char directory_of[512];

u32 Z_envZ_host(struct Z_env_instance_t *self, u32 left, u32 right) {
  (void)self;
  return host_answer(left, right);
}
u32 Z_envZ_leaf(struct Z_env_instance_t *self, u32 left, u32 right) {
  (void)self;
  return host_answer(left, right);
}

static void open_engine(const struct engine *self, const char *directory, unsigned slots) {
  (void)self, (void)slots;
  snprintf(directory_of, sizeof directory_of, "%s", directory);
  wasm_rt_init();
  Z_guest_init_module();
  Z_guest_instantiate(&resident, &env);
}

/* Debian's version of the runtime unmaps only the memory's size and leaves the rest of the 8 GiB that it has
 * reserved, so a server would run out of address space after some thousand instances. The rest is unmapped
 * here. */
static void end(Z_guest_instance_t *guest) {
  uint8_t *data = guest->w2c_memory.data;
  size_t size = guest->w2c_memory.size;
  Z_guest_free(guest);
  if (munmap(data + size, ((size_t)8 << 30) - size)) bench_fail("wasm2c: munmap");
}

#define RECOVERING(body)                                                                                     \
  do {                                                                                                       \
    if (wasm_rt_impl_try()) bench_fail("wasm2c: a trap");                                                    \
    body;                                                                                                    \
  } while (0)

static uint64_t call(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (volatile uint64_t left = count; left; left--)
    RECOVERING(sum += Z_guestZ_add(&resident, (u32)argument, 2));
  return sum;
}

static uint64_t call_bare(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--)
    sum += Z_guestZ_add(&resident, (u32)argument, 2);
  return sum;
}

static uint64_t call_out(uint64_t leaf, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--)
    sum += leaf ? Z_guestZ_out_leaf(&resident, OUT_CALLS) : Z_guestZ_out(&resident, OUT_CALLS);
  return sum;
}

static uint64_t cycle(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  uint64_t sum = 0;
  for (; count; count--) {
    Z_guest_instance_t guest;
    Z_guest_instantiate(&guest, &env);
    sum += Z_guestZ_touch(&guest, (u32)pages);
    end(&guest);
  }
  return sum;
}

static uint64_t grow(uint64_t argument, void *context, uint64_t count) {
  (void)argument, (void)context;
  uint64_t sum = 0;
  for (; count; count--) {
    Z_guest_instance_t guest;
    Z_guest_instantiate(&guest, &env);
    sum += Z_guestZ_grow(&guest);
    end(&guest);
  }
  return sum;
}

static uint64_t load_module(uint64_t argument, void *name, uint64_t count) {
  (void)argument;
  char path[600];
  snprintf(path, sizeof path, "%s/%s.w2c.so", directory_of, (const char *)name);
  for (uint64_t i = 0; i < count; i++) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) bench_fail("%s", dlerror());
    dlclose(library);
  }
  return count;
}

static void add(const struct engine *self, struct bench_list *list) {
  (void)self;
  bench_add(list, "call_in", "wasm2c", call, 40, NULL, 1);
  bench_add(list, "call_in", "wasm2c_no_recovery", call_bare, 40, NULL, 1);
  bench_add(list, "call_in_stub", "wasm2c", call, 40, NULL, 1);
  bench_add(list, "call_in_stub", "wasm2c_no_recovery", call_bare, 40, NULL, 1);
  bench_add(list, "call_out", "wasm2c", call_out, 0, NULL, OUT_CALLS);
  bench_add(list, "call_out_leaf", "wasm2c", call_out, 1, NULL, OUT_CALLS);
#define ROW(row, pages) bench_add(list, row, "wasm2c", cycle, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
  bench_add(list, "grow", "wasm2c", grow, 0, NULL, 1);
  bench_add(list, "load/100k", "wasm2c", load_module, 0, "load100k", 1);
  bench_add(list, "load/1m", "wasm2c", load_module, 0, "load1m", 1);
}

static void idle(const struct engine *self, unsigned count, bool release) {
  (void)self;
  static Z_guest_instance_t *guests[IDLE_SLOTS + IDLE_WARM];
  static unsigned made;
  for (unsigned end = made + count; made < end; made++) {
    guests[made] = malloc(sizeof *guests[made]);
    if (!guests[made]) bench_fail("no memory");
    Z_guest_instantiate(guests[made], &env);
    (void)Z_guestZ_hello(guests[made]);
  }
  while (release && made) {
    end(guests[--made]);
    free(guests[made]);
  }
}

const struct engine engine_wasm2c = {"wasm2c", NULL, open_engine, add, cycle, idle, IDLE_SLOTS};
