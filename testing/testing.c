/* testing.c: what lucet/testing.h declares, and of lucet.h what host functions use, over plain memory.
 *
 * Invariants: a function answers what liblucet's answers, with the same status; tests/c runs one test against both. Checks of
 * arguments come in the order of the parameters, copies are made before text is looked at, and nothing is called when one fails.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include <lucet/testing.h>
#include <lucet/bindings.h>
#include <stdio.h>

enum { STACK_WORDS = 32, COPY_BYTES = 4096, RANGES = 12 };

struct entry {
  const lucet_handle_kind *kind;
  void *object;
};

struct lucet_testing {
  uint8_t *memory;
  size_t bytes;
  void *data, *instance_data;
  lucet_testing_guest guest;
  int calling;
  lucet_outcome asked;
  lucet_value result;
  struct entry *handles;
  size_t handle_count;
};

/* By number, from 1. */
static const char *const trap_names[] = {
    "unreachable",
    "out of bounds memory access",
    "out of bounds table access",
    "uninitialized element",
    "indirect call type mismatch",
    "integer divide by zero",
    "integer overflow",
    "invalid conversion to integer",
    "call stack exhausted",
    "host calls nested too deeply",
    "bad argument to a host function",
    "stopped by a host function",
    "unaligned atomic",
    "null reference",
    "uncaught exception",
    "out of system resources",
    "expected shared memory",
    "too many exceptions"};
#define TRAPS (sizeof trap_names / sizeof trap_names[0])

static char sentence[160] = "";

static lucet_status failed(lucet_status status, const char *why) {
  snprintf(sentence, sizeof sentence, "%s", why);
  return status;
}

const char *lucet_last_error(void) { return sentence; }

/* ---- the test's side ---- */

lucet_testing *lucet_testing_new(size_t memory_bytes, void *data, void *instance_data) {
  lucet_testing *test = calloc(1, sizeof *test);
  if (!test) return NULL;
  test->memory = calloc(memory_bytes ? memory_bytes : 1, 1);
  test->bytes = memory_bytes;
  test->data = data;
  test->instance_data = instance_data;
  if (test->memory) return test;
  free(test);
  return NULL;
}

void lucet_testing_free(lucet_testing *test) {
  size_t i;
  if (!test) return;
  for (i = 0; i < test->handle_count; i++)
    if (test->handles[i].object && test->handles[i].kind->release) test->handles[i].kind->release(test->handles[i].object);
  free(test->handles);
  free(test->memory);
  free(test);
}

uint8_t *lucet_testing_memory(lucet_testing *test) { return test->memory; }
void lucet_testing_set_guest(lucet_testing *test, lucet_testing_guest guest) { test->guest = guest; }

static lucet_testing *of_call(const lucet_call *call) {
  union {
    const lucet_call *call;
    lucet_testing *test;
  } both;
  both.call = call;
  return both.test;
}

static lucet_testing *of_instance(const lucet_instance *instance) {
  union {
    const lucet_instance *instance;
    lucet_testing *test;
  } both;
  both.instance = instance;
  return both.test;
}

lucet_call *lucet_testing_call(lucet_testing *test) {
  static const lucet_outcome nothing = {LUCET_RETURNED, 0, 0, NULL, 0, 0, {0, 0, 0}};
  test->asked = nothing;
  test->calling = 1;
  return (lucet_call *)(void *)test;
}

lucet_outcome lucet_testing_finish(lucet_testing *test) {
  test->calling = 0;
  return test->asked;
}

/* ---- calls ---- */

static lucet_status in_call(const lucet_call *call) {
  if (!call) return failed(LUCET_NULL_ARGUMENT, "the lucet_call is NULL");
  if (!of_call(call)->calling) return failed(LUCET_BAD_STATE, "the lucet_call is used outside of its host function");
  return LUCET_OK;
}

lucet_instance *lucet_call_instance(const lucet_call *call) {
  return in_call(call) ? NULL : (lucet_instance *)(void *)of_call(call);
}
void *lucet_call_data(const lucet_call *call) { return in_call(call) ? NULL : of_call(call)->data; }
void *lucet_call_instance_data(const lucet_call *call) { return in_call(call) ? NULL : of_call(call)->instance_data; }

static lucet_status ask(lucet_call *call, uint32_t kind, uint32_t detail, uint64_t token) {
  const lucet_status status = in_call(call);
  if (status) return status;
  of_call(call)->asked.kind = kind;
  of_call(call)->asked.detail = detail;
  of_call(call)->asked.token = token;
  return LUCET_OK;
}

lucet_status lucet_call_trap(lucet_call *call, uint32_t trap) {
  if (!trap || trap > TRAPS) return failed(LUCET_BAD_ARGUMENT, "not the number of a trap");
  return ask(call, LUCET_TRAPPED, trap, 0);
}
lucet_status lucet_call_terminate(lucet_call *call, uint64_t reason) {
  return ask(call, LUCET_TERMINATED, LUCET_STOP_HOST, reason);
}
lucet_status lucet_call_suspend(lucet_call *call, uint64_t token) {
  if (!in_call(call) && of_call(call)->asked.kind != LUCET_RETURNED && of_call(call)->asked.kind != LUCET_SUSPENDED)
    return failed(LUCET_BAD_STATE, "the guest's end has been asked for: it cannot be suspended any more");
  return ask(call, LUCET_SUSPENDED, 0, token);
}

static lucet_status call_back(lucet_call *call, const char *name, const lucet_value *arguments, size_t count,
                              lucet_outcome *out_outcome) {
  lucet_status status = in_call(call);
  lucet_testing *test;
  lucet_outcome outcome;
  if (out_outcome) memset(out_outcome, 0, sizeof *out_outcome);
  if (status) return status;
  test = of_call(call);
  if (test->asked.kind != LUCET_RETURNED)
    return failed(LUCET_BAD_STATE, "the guest's end or suspension has been asked for: it cannot be called any more");
  if (!test->guest) return failed(LUCET_NOT_FOUND, "the test has no guest");
  outcome = test->guest(test, name, arguments, count);
  if (out_outcome) *out_outcome = outcome;
  /* When a callback ends badly the outer guest ends in the same way. */
  if (outcome.kind == LUCET_TRAPPED || outcome.kind == LUCET_TERMINATED) test->asked = outcome;
  return LUCET_OK;
}

lucet_status lucet_call_run(lucet_call *call, const char *name, const lucet_value *arguments, size_t count,
                            lucet_outcome *out_outcome) {
  return call_back(call, name, arguments, count, out_outcome);
}
lucet_status lucet_call_func(lucet_call *call, const lucet_func *func, const lucet_value *arguments, size_t count,
                             lucet_outcome *out_outcome) {
  (void)func;
  return call_back(call, NULL, arguments, count, out_outcome);
}
lucet_status lucet_call_funcref(lucet_call *call, lucet_funcref function, const lucet_value *arguments, size_t count,
                                lucet_outcome *out_outcome) {
  (void)function;
  return call_back(call, NULL, arguments, count, out_outcome);
}

lucet_status lucet_instance_keep(lucet_instance *instance) {
  if (!instance) return failed(LUCET_NULL_ARGUMENT, "instance is NULL");
  of_instance(instance)->asked.kind = LUCET_RETURNED;
  return LUCET_OK;
}

/* ---- memory ---- */

void *lucet_instance_data(const lucet_instance *instance) {
  return instance ? of_instance(instance)->instance_data : NULL;
}

lucet_memory lucet_instance_memory(const lucet_instance *instance, uint32_t memory) {
  lucet_memory all = {NULL, 0};
  if (!instance || memory) return all;
  all.data = of_instance(instance)->memory;
  all.size = of_instance(instance)->bytes;
  return all;
}

static lucet_status range(const lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length,
                          uint8_t **out_data) {
  lucet_testing *test = of_instance(instance);
  if (!instance || !out_data) return failed(LUCET_NULL_ARGUMENT, "instance or out_data is NULL");
  if (memory) return failed(LUCET_NOT_FOUND, "the test has one memory");
  if (address > test->bytes || length > test->bytes - address) {
    snprintf(sentence, sizeof sentence, "%llu bytes at %#llx do not lie within a memory of %llu bytes",
             (unsigned long long)length, (unsigned long long)address, (unsigned long long)test->bytes);
    return LUCET_OUT_OF_BOUNDS;
  }
  *out_data = test->memory + address;
  return LUCET_OK;
}

lucet_status lucet_instance_view(const lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length,
                                 const uint8_t **out_data) {
  uint8_t *data = NULL;
  const lucet_status status = range(instance, memory, address, length, &data);
  if (!out_data) return failed(LUCET_NULL_ARGUMENT, "out_data is NULL");
  if (!status) *out_data = data;
  return status;
}
lucet_status lucet_instance_view_mut(lucet_instance *instance, uint32_t memory, uint64_t address, uint64_t length,
                                     uint8_t **out_data) {
  return range(instance, memory, address, length, out_data);
}
lucet_status lucet_instance_read(const lucet_instance *instance, uint32_t memory, uint64_t address, void *to,
                                 size_t length) {
  uint8_t *from = NULL;
  const lucet_status status = range(instance, memory, address, length, &from);
  if (status) return status;
  if (!to && length) return failed(LUCET_NULL_ARGUMENT, "to is NULL");
  if (length) memmove(to, from, length);
  return LUCET_OK;
}
lucet_status lucet_instance_write(lucet_instance *instance, uint32_t memory, uint64_t address, const void *from,
                                  size_t length) {
  uint8_t *to = NULL;
  const lucet_status status = range(instance, memory, address, length, &to);
  if (status) return status;
  if (!from && length) return failed(LUCET_NULL_ARGUMENT, "from is NULL");
  if (length) memmove(to, from, length);
  return LUCET_OK;
}
lucet_status lucet_instance_memory_grow(lucet_instance *instance, uint32_t memory, uint64_t pages, uint64_t *out_old_pages) {
  lucet_testing *test = of_instance(instance);
  uint8_t *grown;
  if (!instance) return failed(LUCET_NULL_ARGUMENT, "instance is NULL");
  if (memory) return failed(LUCET_NOT_FOUND, "the test has one memory");
  if (pages > 65536 - test->bytes / 65536) return failed(LUCET_LIMIT, "a memory has at most 65536 pages");
  grown = calloc(test->bytes + pages * 65536 + !test->bytes, 1);
  if (!grown) return failed(LUCET_LIMIT, "no memory for that");
  memcpy(grown, test->memory, test->bytes);
  free(test->memory);
  test->memory = grown;
  if (out_old_pages) *out_old_pages = test->bytes / 65536;
  test->bytes += pages * 65536;
  return LUCET_OK;
}

/* ---- handles: a number is a place, counted from 1, and never used again ---- */

static struct entry *entry_of(const lucet_instance *instance, const lucet_handle_kind *kind, uint32_t number) {
  lucet_testing *test = of_instance(instance);
  if (!number || number > test->handle_count || test->handles[number - 1].kind != kind) return NULL;
  return test->handles[number - 1].object ? &test->handles[number - 1] : NULL;
}

lucet_status lucet_instance_handle_new(lucet_instance *instance, const lucet_handle_kind *kind, void *object,
                                       uint32_t *out_handle) {
  lucet_testing *test = of_instance(instance);
  struct entry *more;
  if (!instance || !kind || !object || !out_handle) return failed(LUCET_NULL_ARGUMENT, "an argument is NULL");
  more = realloc(test->handles, (test->handle_count + 1) * sizeof *more);
  if (!more) return failed(LUCET_NO_MEMORY, "no memory for a handle");
  test->handles = more;
  more[test->handle_count].kind = kind;
  more[test->handle_count].object = object;
  *out_handle = (uint32_t)++test->handle_count;
  return LUCET_OK;
}
lucet_status lucet_instance_handle_get(const lucet_instance *instance, const lucet_handle_kind *kind, uint32_t number,
                                       void **out_object) {
  struct entry *entry;
  if (!instance || !kind || !out_object) return failed(LUCET_NULL_ARGUMENT, "an argument is NULL");
  entry = entry_of(instance, kind, number);
  if (!entry) return failed(LUCET_NOT_FOUND, "not a handle of this kind that the instance has");
  *out_object = entry->object;
  return LUCET_OK;
}
lucet_status lucet_instance_handle_take(lucet_instance *instance, const lucet_handle_kind *kind, uint32_t number,
                                        void **out_object) {
  const lucet_status status = lucet_instance_handle_get(instance, kind, number, out_object);
  if (!status) entry_of(instance, kind, number)->object = NULL;
  return status;
}
lucet_status lucet_instance_handle_drop(lucet_instance *instance, const lucet_handle_kind *kind, uint32_t number) {
  void *object = NULL;
  const lucet_status status = lucet_instance_handle_take(instance, kind, number, &object);
  if (!status && kind->release) kind->release(object);
  return status;
}

/* ---- calls with the row's checks ---- */

/* The registers and stack words of a System V call. */
struct passed {
  uint64_t integers[5]; /* behind the call */
  double floats[8];
  uint64_t stack[STACK_WORDS];
  size_t integer_count, float_count, stack_count;
  uint8_t copies[COPY_BYTES];
  size_t copied;
  struct {
    uint64_t first, end;
    bool written;
  } ranges[RANGES];
  size_t range_count;
};

/* A struct of several words goes to registers whole, or to the stack whole. */
static void pass(struct passed *passed, const uint64_t *words, size_t count) {
  size_t i;
  const bool fits = passed->integer_count + count <= 5;
  for (i = 0; i < count; i++) {
    if (fits) passed->integers[passed->integer_count++] = words[i];
    else passed->stack[passed->stack_count++] = words[i];
  }
}

static void pass_float(struct passed *passed, uint64_t bits) {
  double content;
  memcpy(&content, &bits, 8);
  if (passed->float_count < 8) passed->floats[passed->float_count++] = content;
  else passed->stack[passed->stack_count++] = bits;
}

static bool pass_range(lucet_testing *test, const lucet_check *check, uint32_t address, uint32_t count, bool slice,
                       struct passed *passed) {
  const uint64_t bytes = (uint64_t)count * check->element, end = address + bytes;
  const bool written = (check->kind & LUCET_CHECK_WRITE) != 0;
  uint8_t *data;
  uint64_t words[2];
  size_t i;
  if (end > test->bytes || address % check->align || (slice && check->limit && count > check->limit)) return false;
  data = test->memory + address;
  if (check->kind & LUCET_CHECK_COPY) {
    data = passed->copies + passed->copied;
    memcpy(data, test->memory + address, bytes);
    passed->copied += (bytes + 15) / 16 * 16;
  }
  if (check->kind & LUCET_CHECK_UTF8 && !lucet_is_text(data, bytes)) return false;
  for (i = 0; i < passed->range_count; i++)
    if ((written || passed->ranges[i].written) && address < passed->ranges[i].end && passed->ranges[i].first < end)
      return false;
  if (bytes) {
    passed->ranges[passed->range_count].first = address;
    passed->ranges[passed->range_count].end = end;
    passed->ranges[passed->range_count++].written = written;
  }
  words[0] = (uint64_t)(uintptr_t)data;
  words[1] = count;
  pass(passed, words, slice ? 2 : 1);
  return true;
}

static bool is_allowed(const lucet_check *check, uint32_t number) {
  const uint32_t *list = check->of;
  uint32_t i;
  switch (check->kind) {
  case LUCET_CHECK_UNSIGNED:
    return number <= check->limit;
  case LUCET_CHECK_SIGNED:
    return check->limit == 32 || (uint32_t)(number + (1u << (check->limit - 1))) < 1u << check->limit;
  case LUCET_CHECK_CHAR:
    return number < 0x110000 && !(number >= 0xd800 && number < 0xe000);
  case LUCET_CHECK_FLAGS:
    return !(number & ~check->limit);
  default:
    for (i = 0; i < check->limit; i++)
      if (list[i] == number) return true;
    return false;
  }
}

static bool pass_checked(lucet_testing *test, const lucet_check *check, const lucet_value *from, struct passed *passed) {
  const uint32_t first = (uint32_t)from[0].of.i32;
  uint64_t word = first;
  struct entry *entry;
  switch (check->kind & 15) {
  case LUCET_CHECK_SLICE:
    return pass_range(test, check, first, (uint32_t)from[1].of.i32, true, passed);
  case LUCET_CHECK_OBJECT:
    return pass_range(test, check, first, 1, false, passed);
  case LUCET_CHECK_HANDLE:
    entry = entry_of((lucet_instance *)(void *)test, check->of, first);
    if (!entry) return false;
    word = (uint64_t)(uintptr_t)entry->object;
    break;
  default:
    if (!is_allowed(check, first)) return false;
  }
  pass(passed, &word, 1);
  return true;
}

static uint32_t digit(uint64_t types, size_t place) { return (uint32_t)(types >> (4 * place)) & 15; }

/* Whether the arguments have the row's types. */
static bool suits(const lucet_host_function *row, const lucet_value *arguments, size_t count) {
  size_t place, taken = 0;
  for (place = 1; place <= 12 && digit(row->types, place); place++) {
    const uint32_t type = digit(row->types, place) == LUCET_CHECKED ? (uint32_t)LUCET_I32 : digit(row->types, place);
    const size_t values = (row->checks[place - 1].kind & 15) == LUCET_CHECK_SLICE ? 2 : 1;
    size_t i;
    for (i = 0; i < values; i++, taken++)
      if (taken >= count || arguments[taken].type != type || type == LUCET_V128) return false;
  }
  return taken == count;
}

/* A call in which every register and stack word is named has every layout that a function can want. */
#define WORDS4(s, i) s[i], s[i + 1], s[i + 2], s[i + 3]
#define PASSED(p)                                                                                            \
  p->integers[0], p->integers[1], p->integers[2], p->integers[3], p->integers[4], p->floats[0], p->floats[1], \
      p->floats[2], p->floats[3], p->floats[4], p->floats[5], p->floats[6], p->floats[7], WORDS4(p->stack, 0), \
      WORDS4(p->stack, 4), WORDS4(p->stack, 8), WORDS4(p->stack, 12), WORDS4(p->stack, 16), WORDS4(p->stack, 20)
typedef uint64_t w;
#define TYPES                                                                                                \
  lucet_call *, w, w, w, w, w, double, double, double, double, double, double, double, double, w, w, w, w, w, w, w, w, w, w, \
      w, w, w, w, w, w, w, w, w, w, w, w, w, w

static void call_function(const lucet_host_function *row, lucet_call *call, const struct passed *p, lucet_value *result) {
  const uint32_t type = digit(row->types, 0);
  memset(result, 0, sizeof *result);
  result->type = type;
  if (type == LUCET_F32) {
    result->of.f32 = ((float (*)(TYPES))row->function)(call, PASSED(p));
  } else if (type == LUCET_F64) {
    result->of.f64 = ((double (*)(TYPES))row->function)(call, PASSED(p));
  } else {
    const uint64_t word = ((uint64_t(*)(TYPES))row->function)(call, PASSED(p));
    if (type == LUCET_I32) result->of.i32 = (int32_t)word;
    else result->of.i64 = (int64_t)word;
  }
}

lucet_outcome lucet_testing_invoke(lucet_testing *test, const lucet_host_function *row, const lucet_value *arguments,
                                   size_t count) {
  struct passed passed;
  lucet_call *call = lucet_testing_call(test);
  size_t place, taken = 0;
  bool good = true;
  memset(&passed, 0, sizeof passed);
  if (!suits(row, arguments, count)) {
    test->asked.kind = LUCET_NOT_RUN;
    failed(LUCET_TYPE_MISMATCH, "the arguments do not have the row's types");
    return lucet_testing_finish(test);
  }
  for (place = 1; good && place <= 12 && digit(row->types, place); place++) {
    const uint32_t type = digit(row->types, place);
    const lucet_value *from = arguments + taken++;
    uint64_t word = type == LUCET_I32 ? (uint32_t)from->of.i32 : (uint64_t)from->of.i64;
    if (type == LUCET_CHECKED) {
      taken += (row->checks[place - 1].kind & 15) == LUCET_CHECK_SLICE;
      good = pass_checked(test, &row->checks[place - 1], from, &passed);
    } else if (type == LUCET_F32 || type == LUCET_F64) {
      if (type == LUCET_F32) word &= 0xffffffffu;
      pass_float(&passed, word);
    } else {
      pass(&passed, &word, 1);
    }
  }
  if (good) {
    call_function(row, call, &passed, &test->result);
  } else if (row->flags & LUCET_ANSWER) {
    test->result.type = digit(row->types, 0);
    test->result.of.i64 = (int64_t)row->answer;
    if (test->result.type == LUCET_I32) test->result.of.i32 = (int32_t)row->answer;
  } else if (lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT)) {
    test->asked.kind = LUCET_NOT_RUN;
  }
  if (test->asked.kind == LUCET_RETURNED && digit(row->types, 0)) {
    test->asked.values = &test->result;
    test->asked.value_count = 1;
  }
  return lucet_testing_finish(test);
}

/* ---- names ---- */

#define NAME(status)                                                                                         \
  case status:                                                                                               \
    return #status;
const char *lucet_status_name(lucet_status status) {
  switch (status) {
    NAME(LUCET_OK)
    NAME(LUCET_NULL_ARGUMENT)
    NAME(LUCET_BAD_ARGUMENT)
    NAME(LUCET_BAD_STRUCT)
    NAME(LUCET_BAD_STATE)
    NAME(LUCET_RUNNING)
    NAME(LUCET_NEEDS_RESET)
    NAME(LUCET_STALE)
    NAME(LUCET_WRONG_PROCESS)
    NAME(LUCET_NO_MEMORY)
    NAME(LUCET_SYSTEM)
    NAME(LUCET_REGION_FULL)
    NAME(LUCET_LIMIT)
    NAME(LUCET_NOT_FOUND)
    NAME(LUCET_TYPE_MISMATCH)
    NAME(LUCET_UNLINKED)
    NAME(LUCET_BAD_MODULE)
    NAME(LUCET_INCOMPATIBLE)
    NAME(LUCET_OUT_OF_BOUNDS)
    NAME(LUCET_DEPTH)
    NAME(LUCET_NO_SIGNALS)
    NAME(LUCET_UNSUPPORTED)
    NAME(LUCET_LINKED)
    NAME(LUCET_POISONED)
  default:
    return "unknown status";
  }
}

const char *lucet_trap_name(uint32_t trap) {
  return trap && trap <= TRAPS ? trap_names[trap - 1] : "unknown trap";
}
