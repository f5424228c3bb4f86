/* walk.c: a host that does anything at any time: from outside and in host functions, with handles that are
 * live, stale or made up, with sizes at all limits. Whatever it does has an answer: a status with a sentence,
 * never LUCET_POISONED, and nothing that lives in the end.
 *
 * `unit_walk SEED` walks that one seed and says what it does; without one, the first ones. */
#include "fixture.h"
#include <time.h>

enum {
  SEEDS = 400,
  STEPS = 300,
  GUESTS = 6,
  REGIONS = 2,
  MODULES = 2,
  KILLS = 3,
  DEEPEST = 4,
  MOST_ARGUMENTS = 4,
  MS = 1000000
};

static uint64_t state;
static int aloud, depth;
static lucet_linker *linker;
static lucet_tag *tags[2]; /* the guest's, and one that it does not know */
static lucet_module *modules[MODULES];
static lucet_region *regions[REGIONS];
static lucet_instance *guests[GUESTS];
static lucet_kill_handle kills[KILLS];
static lucet_funcref known;
static lucet_call *ended;

static uint64_t any(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}
static uint32_t below(uint32_t bound) { return (uint32_t)(any() % bound); }

static uint64_t extreme(void) {
  switch (below(7)) {
  case 0:
    return below(2);
  case 1:
    return UINT64_MAX - below(100000);
  case 2:
    return UINT64_C(1) << 63;
  case 3:
    return UINT64_C(1) << 32;
  case 4:
    return below(70000);
  case 5:
    return UINT64_C(1) << below(64);
  default:
    return any();
  }
}

static uint64_t soon(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + 2 * MS;
}

static int answered(const char *what, lucet_status status) {
  if (aloud) printf("%*s%s: %s\n", depth * 2, "", what, status ? lucet_last_error() : "ok");
  CHECK(status >= 0 && status <= LUCET_LINKED && status != LUCET_POISONED);
  CHECK(!status || lucet_last_error()[0]);
  return !status;
}

static lucet_instance *some_guest(void) {
  if (below(20)) return guests[below(GUESTS)];
  return below(3) ? NULL : (lucet_instance *)(uintptr_t)extreme();
}

static lucet_call *some_call(lucet_call *call) {
  if (call && below(12)) return call;
  return below(3) ? NULL : ended;
}

static lucet_value some_value(uint32_t type) {
  lucet_value value;
  memset(&value, 0, sizeof value);
  value.type = (lucet_type)type;
  if (type == LUCET_FUNCREF && below(2))
    value.of.funcref = known;
  else if (type == LUCET_EXNREF && below(3))
    value.of.exnref.opaque = 0;
  else
    value.of.v128.lo = below(2) ? below(6) : any();
  return value;
}

static const char *some_export(void) {
  static const char *const names[] = {
      "same", "act",  "act_twice", "leaf",  "trap",      "outside", "spin",
      "deep", "fill", "act_deep",  "throw", "catch",     "grow",    "several",
      "act",  "",     "nothing",   "\xff",  "catch_all", "memory",  "function_of_it"};
  return names[below(sizeof names / sizeof *names)];
}

/* Mostly what the export takes; sometimes anything, up to a count that is a lie. */
static size_t some_arguments(const char *name, lucet_value arguments[MOST_ARGUMENTS]) {
  memset(arguments, 0, MOST_ARGUMENTS * sizeof *arguments);
  if (below(15) == 0) {
    size_t count = below(MOST_ARGUMENTS);
    for (size_t i = 0; i < count; i++)
      arguments[i] = some_value(below(12));
    return below(10) ? count : (size_t)any();
  }
  arguments[0] = some_value(LUCET_I32);
  return *name && strstr("same act_twice leaf act_deep catch_all grow", name) ? 1 : 0;
}

static lucet_limits some_limits(void) {
  lucet_limits limits = lucet_limits_default();
  limits.deadline_ns = soon();
  switch (below(7)) {
  case 0:
    limits.cpu_ns = extreme();
    break;
  case 1:
    limits.slice_ns = extreme();
    break;
  case 2:
    limits.exception_bytes = extreme();
    break;
  case 3:
    limits.memory_bytes = extreme();
    break;
  case 4:
    limits.table_elements = extreme();
    break;
  case 5:
    limits.struct_size = (size_t)(below(2) ? extreme() : below(200));
    break;
  default:
    break;
  }
  return limits;
}

static void note(const lucet_outcome *outcome) {
  for (size_t i = 0; outcome->kind == LUCET_RETURNED && i < outcome->value_count; i++)
    if (outcome->values[i].type == LUCET_FUNCREF) known = outcome->values[i].of.funcref;
}

static void run(lucet_instance *guest) {
  lucet_value arguments[MOST_ARGUMENTS];
  lucet_outcome outcome;
  const lucet_func *function = NULL;
  const char *name = some_export();
  size_t count = some_arguments(name, arguments);
  switch (below(6)) {
  case 0:
    if (answered("func", lucet_module_func(modules[below(MODULES)], name, &function)) &&
        answered("call", lucet_instance_call(guest, function, arguments, count, &outcome)))
      note(&outcome);
    break;
  case 1:
    answered("call_funcref", lucet_instance_call_funcref(guest, some_value(LUCET_FUNCREF).of.funcref,
                                                         arguments, count, &outcome));
    break;
  case 2:
    arguments[0] = some_value(below(4) ? (uint32_t)LUCET_I32 : below(12));
    answered("resume",
             lucet_instance_resume(guest, arguments, below(8) ? below(2) : (size_t)any(), &outcome));
    break;
  default:
    if (answered(name, lucet_instance_run(guest, below(60) ? name : NULL, below(40) ? arguments : NULL, count,
                                          below(10) ? &outcome : NULL)) &&
        !lucet_instance_outcome(guest, &outcome))
      note(&outcome);
    break;
  }
}

/* Makes a guest in place of one, if that can be released now. */
static void make(uint32_t place) {
  lucet_limits limits = some_limits();
  lucet_status status = lucet_instance_release(guests[place]);
  if (status && status != LUCET_STALE && status != LUCET_NULL_ARGUMENT) return;
  answered("new", lucet_instance_new(regions[below(REGIONS)], modules[below(MODULES)], NULL, &limits,
                                     &guests[place]));
}

static void replace(lucet_instance *guest) {
  switch (below(7)) {
  case 0:
    answered("keep", lucet_instance_keep(guest));
    break;
  case 1:
    answered("reset", lucet_instance_reset(guest));
    break;
  case 2:
    answered("release", lucet_instance_release(guest));
    break;
  case 3:
    answered("start", lucet_instance_start(guest, NULL));
    break;
  default:
    make(below(GUESTS));
    break;
  }
}

static void look(lucet_instance *guest) {
  lucet_outcome outcome;
  const lucet_frame *frames;
  size_t count = 0;
  char text[200];
  const uint8_t *bytes;
  lucet_instance_stats stats;
  switch (below(7)) {
  case 0:
    answered("outcome", lucet_instance_outcome(guest, &outcome));
    break;
  case 1:
    if (answered("backtrace", lucet_instance_backtrace(guest, &frames, &count)))
      for (size_t i = 0; i < count; i++)
        CHECK(!frames[i].name_length || frames[i].name);
    break;
  case 2:
    lucet_instance_describe(guest, below(9) ? text : NULL, below(9) ? below(sizeof text) : 0);
    break;
  case 3:
    answered("view",
             lucet_instance_view(guest, below(3) ? 0 : (uint32_t)extreme(), extreme(), extreme(), &bytes));
    break;
  case 4:
    answered("read", lucet_instance_read(guest, 0, extreme(), text, below(sizeof text)));
    break;
  case 5:
    stats.struct_size = below(3) ? sizeof stats : below(sizeof stats + 1);
    answered("stats", lucet_instance_get_stats(guest, &stats));
    break;
  default:
    answered("kill_handle", lucet_instance_kill_handle(guest, &kills[below(KILLS)]));
    break;
  }
}

static void change(lucet_instance *guest) {
  static const char *const names[] = {"number",    "constant", "function", "object",
                                      "functions", "objects",  "same"};
  const char *name = names[below(sizeof names / sizeof *names)];
  lucet_limits limits = some_limits();
  lucet_value value = some_value(below(12));
  lucet_value of_table = some_value(below(2) ? (uint32_t)LUCET_FUNCREF : (uint32_t)LUCET_EXTERNREF);
  uint64_t number;
  switch (below(8)) {
  case 0:
    answered("write", lucet_instance_write(guest, 0, extreme(), name, below(4)));
    break;
  case 1:
    answered("memory_grow", lucet_instance_memory_grow(guest, below(3) ? 0 : (uint32_t)extreme(),
                                                       below(3) ? 1 : extreme(), &number));
    break;
  case 2:
    answered("alloc", lucet_instance_alloc(guest, below(2) ? below(999) : extreme(), below(2) ? 8 : extreme(),
                                           &number, NULL));
    break;
  case 3:
    answered("global_get", lucet_instance_global_get(guest, name, &value));
    break;
  case 4:
    answered("global_set", lucet_instance_global_set(guest, name, &value));
    break;
  case 5:
    answered("table_set", lucet_instance_table_set(guest, name, below(2) ? below(5) : extreme(), &of_table));
    break;
  case 6:
    answered("table_grow",
             lucet_instance_table_grow(guest, name, below(2) ? below(3) : extreme(), &of_table, &number));
    break;
  default:
    answered("set_limits", lucet_instance_set_limits(guest, &limits));
    break;
  }
}

static void elsewhere(void) {
  lucet_kill_handle made_up = {{extreme(), extreme()}};
  uint32_t region = below(REGIONS);
  switch (below(6)) {
  case 0:
    lucet_kill(kills[below(KILLS)], any());
    break;
  case 1:
    lucet_kill(made_up, 1);
    break;
  case 2:
    answered("trim", lucet_region_trim(regions[region], extreme()));
    break;
  case 3:
    answered("prefault", lucet_region_prefault(regions[region], modules[below(MODULES)],
                                               below(2) ? below(5) : (uint32_t)extreme()));
    break;
  case 4:
    answered("signals_check", lucet_signals_check());
    break;
  default:
    lucet_thread_detach();
    break;
  }
}

static void inside(lucet_call *call) {
  lucet_value arguments[MOST_ARGUMENTS];
  lucet_outcome outcome;
  const char *name = some_export();
  size_t count = some_arguments(name, arguments);
  switch (below(8)) {
  case 0:
    answered("suspend", lucet_call_suspend(call, any()));
    break;
  case 1:
    answered("terminate", lucet_call_terminate(call, any()));
    break;
  case 2:
    answered("trap", lucet_call_trap(call, below(2) ? below(20) : (uint32_t)extreme()));
    break;
  case 3:
    answered("throw", lucet_call_throw(call, tags[below(2)], arguments, below(9) ? 1 : below(3)));
    break;
  case 4:
    arguments[1] = some_value(LUCET_I64);
    answered("throw_export", lucet_call_throw_export(call, below(4) ? "own" : name, arguments, 2));
    break;
  case 5:
    answered("rethrow", lucet_call_rethrow(call));
    break;
  default:
    answered("call_run", lucet_call_run(call, name, arguments, count, &outcome));
    break;
  }
}

static void step(lucet_call *call) {
  lucet_instance *guest = call && below(3) ? lucet_call_instance(call) : some_guest();
  uint32_t what = below(call ? 48 : 24);
  if (what < 8)
    run(guest);
  else if (what < 13)
    replace(guest);
  else if (what < 17)
    look(guest);
  else if (what < 21)
    change(guest);
  else if (what < 24)
    elsewhere();
  else
    inside(some_call(call));
}

static int32_t act(lucet_call *call, int32_t number) {
  depth++;
  for (uint32_t left = depth < DEEPEST ? below(4) : 0; left > 0; left--)
    step(call);
  depth--;
  ended = call;
  return number ^ (int32_t)below(9);
}

static int32_t leaf(lucet_call *call, int32_t number) {
  depth++;
  if (below(3) == 0) inside(call);
  depth--;
  return number;
}

static const lucet_host_function rows[] = {LUCET_HOST("act", act, int32_t, int32_t),
                                           LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)};

static void begin(void) {
  const lucet_type number = LUCET_I32;
  lucet_region_config config = lucet_region_config_default();
  /* A seed goes the same way alone as behind others. */
  memset(kills, 0, sizeof kills);
  memset(&known, 0, sizeof known);
  ended = NULL;
  NEED(lucet_signals_install(0));
  NEED(lucet_tag_new(&number, 1, &tags[0]));
  NEED(lucet_tag_new(&number, 1, &tags[1]));
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "env", rows, 2, NULL));
  NEED(lucet_linker_define_tag(linker, "env", "tag", tags[0]));
  for (int i = 0; i < MODULES; i++)
    modules[i] = fixture_module("walk", linker);
  for (uint32_t i = 0; i < REGIONS; i++) {
    config.instances = GUESTS - 2;
    config.flags = i ? LUCET_REGION_VERIFY : 0;
    NEED(lucet_region_new(&config, &regions[i]));
  }
}

static void end(void) {
  lucet_region_stats stats;
  for (int i = 0; i < GUESTS; i++) {
    lucet_status status = lucet_instance_release(guests[i]);
    CHECK(!status || status == LUCET_STALE || status == LUCET_NULL_ARGUMENT);
    guests[i] = NULL;
  }
  for (int i = 0; i < REGIONS; i++) {
    stats.struct_size = sizeof stats;
    OK(lucet_region_get_stats(regions[i], &stats));
    EQUAL(stats.live, 0);
    EQUAL(stats.waiting, 0);
    lucet_region_release(regions[i]);
  }
  for (int i = 0; i < MODULES; i++)
    lucet_module_release(modules[i]);
  lucet_linker_release(linker);
  lucet_tag_release(tags[0]);
  lucet_tag_release(tags[1]);
}

static void walk(uint64_t seed) {
  unsigned failures = harness_failures;
  state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  begin();
  for (uint32_t place = 0; place < GUESTS; place++)
    make(place);
  for (int left = STEPS; left > 0; left--)
    step(NULL);
  end();
  if (harness_failures != failures) printf("that was seed %" PRIu64 "\n", seed);
}

int main(int argc, char **argv) {
  aloud = argc > 1;
  if (aloud)
    walk(strtoull(argv[1], NULL, 0));
  else
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
      walk(seed);
  return finish();
}
