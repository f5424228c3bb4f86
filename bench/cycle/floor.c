/* floor.c: what no engine can be faster than: a call of a C function through a pointer, a bare change of
 * stacks and back, and a copy of the pages that a guest has changed, or their clearing, which is what
 * resetting pages without initial data needs; or, where most of them is as it was, a look at all of them. */
#define _GNU_SOURCE
#include "engine.h"
#include "floor_far.h"
#include "floor_system.h"
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) uint32_t add(uint32_t left, uint32_t right) { return left + right; }
static __attribute__((noinline)) uint32_t answer(uint32_t left, uint32_t right) {
  return host_answer(left, right);
}

static uint64_t call_pointer(uint64_t argument, void *context, uint64_t count) {
  (void)context;
  uint32_t (*volatile pointer)(uint32_t, uint32_t) = add;
  uint64_t sum = 0;
  for (; count; count--)
    sum += pointer((uint32_t)argument, 2);
  return sum;
}

static uint64_t call_out_pointer(uint64_t argument, void *context, uint64_t count) {
  (void)argument, (void)context;
  uint32_t (*volatile pointer)(uint32_t, uint32_t) = answer;
  uint64_t total = 0;
  for (; count; count--) {
    uint32_t sum = 0;
    for (uint32_t left = OUT_CALLS; left; left--)
      sum = pointer(sum, left);
    total += sum;
  }
  return total;
}

static uint32_t answer_far(void *context, uint32_t left, uint32_t right) {
  (void)context;
  return host_answer(left, right);
}

static uint64_t call_out_far(uint64_t argument, void *context, uint64_t count) {
  (void)argument, (void)context;
  uint64_t total = 0;
  for (; count; count--)
    total += floor_far(answer_far, OUT_CALLS);
  return total;
}

/* Calls function(left, right) on another stack, with nothing saved but what the C convention asks for: the
 * stack pointer lives in a callee-saved register. The compiler is told that the call changes what calls
 * change. */
static uint32_t on_stack(char *top, uint32_t (*function)(uint32_t, uint32_t), uint32_t left, uint32_t right) {
  uint32_t result;
#if defined(__x86_64__)
  register void *saved __asm__("rbx") = top;
  __asm__ volatile("xchg %%rbx, %%rsp\n\tcall *%[function]\n\tmov %%rbx, %%rsp"
                   : "=a"(result), "+r"(saved), "+D"(left), "+S"(right)
                   : [function] "r"(function)
                   : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3",
                     "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                     "xmm14", "xmm15");
#else
#error "the floor of a stack switch is written for x86-64"
#endif
  return result;
}

static uint64_t call_on_stack(uint64_t argument, void *context, uint64_t count) {
  static _Alignas(64) char stack[16384];
  (void)context;
  uint32_t (*volatile pointer)(uint32_t, uint32_t) = add;
  uint64_t sum = 0;
  for (; count; count--)
    sum += on_stack(stack + sizeof stack, pointer, (uint32_t)argument, 2);
  return sum;
}

enum { MEMORY = 17 << 16 };

/* A memory as the guest's, and what it is at first; for each thread its own. */
static _Thread_local uint8_t *memory, *image;
static void make_memory(void) {
  if (memory) return;
  memory = aligned_alloc(4096, MEMORY);
  image = aligned_alloc(4096, MEMORY);
  if (!memory || !image) bench_fail("no memory");
  memset(image, 0, MEMORY);
  memcpy(image, "a page of settings, which the guest reads at the start", 54);
  memcpy(image + 8192, "another page, in the same block of 64 KiB as the first", 54);
  memcpy(image + 1048576, "the seventeenth block, where a C program would have its stack", 61);
  memcpy(memory, image, MEMORY);
}

/* What the guest does, so that the answers are the same and the pages really change. */
static uint32_t touch(uint64_t pages) {
  uint32_t sum = 0;
  for (uint32_t page = 0; page < pages; page++) {
    uint32_t *word = (uint32_t *)(void *)(memory + (page << 12 | (page & 63) << 6));
    sum = sum * 31 + *word;
    *(volatile uint32_t *)word = page + 1;
  }
  return sum;
}

static uint64_t copy_pages(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  make_memory();
  uint64_t sum = 0;
  for (; count; count--) {
    sum += touch(pages);
    memcpy(memory, image, pages << 12);
    __asm__ volatile("" ::"r"(memory) : "memory");
  }
  return sum;
}

static uint64_t clear_pages(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  make_memory();
  uint64_t sum = 0;
  for (; count; count--) {
    sum += touch(pages);
    memset(memory, 0, pages << 12);
    memcpy(memory, image, pages ? 64 : 0); /* the settings */
    __asm__ volatile("" ::"r"(memory) : "memory");
  }
  memcpy(memory, image, pages << 12);
  return sum;
}

/* All words of the memory, or-ed together. */
static __attribute__((noinline, target("avx2"))) uint64_t read_all(const uint8_t *from, size_t length) {
  typedef uint64_t four __attribute__((vector_size(32)));
  four all[4] = {{0}, {0}, {0}, {0}};
  for (size_t at = 0; at < length; at += sizeof all)
    for (size_t i = 0; i < 4; i++)
      all[i] |= *(const four *)(const void *)(from + at + i * sizeof(four));
  four some = all[0] | all[1] | all[2] | all[3];
  return some[0] | some[1] | some[2] | some[3];
}

static uint64_t read_pages(uint64_t pages, void *context, uint64_t count) {
  (void)context;
  make_memory();
  uint64_t sum = 0;
  for (; count; count--) {
    sum += touch(pages);
    __asm__ volatile("" ::"r"(read_all(memory, pages << 12)));
    for (uint64_t page = 0; page < pages; page++)
      memcpy(memory + (page << 12 | (page & 63) << 6), image + (page << 12 | (page & 63) << 6), 4);
    __asm__ volatile("" ::"r"(memory) : "memory");
  }
  return sum;
}

const bench_work floor_memcpy = copy_pages;

void floor_add(struct bench_list *list, const char *directory) {
  static char paths[2][600];
  bench_add(list, "call_in", "floor_c_pointer", call_pointer, 40, NULL, 1);
  bench_add(list, "call_in", "floor_stack_switch", call_on_stack, 40, NULL, 1);
  bench_add(list, "call_out", "floor_c_pointer", call_out_pointer, 0, NULL, OUT_CALLS);
  bench_add(list, "call_out", "floor_far_pointer", call_out_far, 0, NULL, OUT_CALLS);
  bench_add(list, "call_out_leaf", "floor_far_pointer", call_out_far, 0, NULL, OUT_CALLS);
#define ROW(row, pages) bench_add(list, row, "floor_memcpy", copy_pages, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
#define ROW(row, pages) bench_add(list, row, "floor_memset", clear_pages, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
#define ROW(row, pages) bench_add(list, row, "floor_read", read_pages, pages, NULL, 1);
  CYCLE_ROWS(ROW)
#undef ROW
  snprintf(paths[0], sizeof paths[0], "%s/load100k.so", directory);
  snprintf(paths[1], sizeof paths[1], "%s/load1m.so", directory);
  bench_add(list, "grow", "floor_grown", floor_grown, 17, NULL, 1);
  bench_add(list, "load/100k", "floor_mapped", floor_mapped, 0, paths[0], 1);
  bench_add(list, "load/1m", "floor_mapped", floor_mapped, 0, paths[1], 1);
  bench_add(list, "load/100k", "floor_sealed_copy", floor_mapped, 1, paths[0], 1);
  bench_add(list, "load/1m", "floor_sealed_copy", floor_mapped, 1, paths[1], 1);
}
