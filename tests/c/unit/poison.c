/* poison.c: views that are over with their call. A host that keeps one dies where it uses it, in a child process; hosts that do not
 * keep any see no difference. With checks by the runtime, and by the module's code. */
#include "fixture.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the latest calls were given. */
static const uint8_t *kept;
static uint8_t *kept_out;
static size_t kept_size;
static int calls;

static int32_t keep(lucet_call *call, lucet_bytes bytes) {
  lucet_memory memory = lucet_instance_memory(lucet_call_instance(call), 0);
  CHECK(bytes.data + bytes.size <= memory.data || bytes.data >= memory.data + memory.size);
  calls++;
  kept = bytes.data;
  kept_size = bytes.size;
  return bytes.size ? bytes.data[0] : -1;
}
static int32_t fill(lucet_call *call, lucet_bytes_out bytes) {
  lucet_instance *guest = lucet_call_instance(call);
  uint8_t seen[2] = {0, 0};
  calls++;
  kept_out = bytes.data;
  memset(bytes.data, 'f', bytes.size - 1); /* the last byte stays the guest's */
  /* What was written is what the host's other ways see, and the other way round. */
  OK(lucet_instance_read(guest, 0, 100, seen, 2));
  CHECK(bytes.data[0] == seen[0] && bytes.data[1] == seen[1]);
  OK(lucet_instance_write(guest, 0, 101, "w", 1));
  EQUAL(bytes.data[1], 'w');
  return (int32_t)bytes.size;
}
static int32_t leaf(lucet_call *call, lucet_bytes from, lucet_bytes_out to) {
  (void)call;
  kept = from.data;
  kept_out = to.data;
  memcpy(to.data, from.data, from.size);
  return (int32_t)from.size;
}
static int32_t change(lucet_call *call, lucet_bytes_inout bytes) {
  (void)call;
  kept_out = bytes.data;
  bytes.data[bytes.size - 1]++;
  return bytes.data[0];
}
static int32_t text(lucet_call *call, lucet_string bytes) {
  (void)call;
  calls++;
  kept = (const uint8_t *)bytes.data;
  return (int32_t)bytes.size;
}
static double mixed(lucet_call *call, int32_t a, double b, int32_t c, int64_t d, int32_t e, float f, lucet_string g, int32_t h,
                    lucet_bytes_inout i, int32_t j) {
  (void)call;
  CHECK(a == 1 && c == 2 && d == INT64_C(0x100000000) && e == 3 && h == 4 && j == -6);
  CHECK(g.size == 5 && !memcmp(g.data, "hello", 5));
  EQUAL(i.size, 5);
  memcpy(i.data, g.data, 5);
  kept_out = i.data;
  return b + (double)f;
}
static void dies_at(const volatile uint8_t *at, int writing, int line);
#define DIES(at, writing) dies_at(at, writing, __LINE__)
/* Calls back, or has the memory grow: what was only to be read is over then. */
static int32_t outer(lucet_call *call, lucet_bytes from, lucet_bytes_out to, int32_t how) {
  lucet_value argument = lucet_value_i32(how);
  lucet_outcome outcome;
  calls++;
  to.data[0] = 'o';
  CHECK(!memcmp(from.data, "hello", 5));
  if (how == 4) { /* growth by the host */
    OK(lucet_instance_memory_grow(lucet_call_instance(call), 0, 1, NULL));
  } else {
    OK(lucet_call_run(call, "back", &argument, 1, &outcome));
    if (how == 2) {
      OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
    } else {
      OUTCOME(outcome, LUCET_RETURNED, 0);
      EQUAL(outcome.values[0].of.i32, 'o'); /* the guest sees what was written before */
    }
    EQUAL(to.data[7], 9); /* and the host what the guest has written */
  }
  to.data[1] = 'p';
  DIES(from.data, 0);
  kept = from.data;
  kept_out = to.data;
  return 7;
}
static int32_t wait_for_it(lucet_call *call, lucet_bytes_out bytes) {
  kept_out = bytes.data;
  memset(bytes.data, 'x', bytes.size);
  OK(lucet_call_suspend(call, 5));
  return 0;
}

/* Views that a function asks for, which has plain parameters: one to read, and one to write of what lies before it. */
static int32_t ask(lucet_call *call, uint32_t address, uint32_t length) {
  lucet_instance *caller = lucet_call_instance(call);
  const uint8_t *again;
  calls++;
  OK(lucet_instance_view(caller, 0, address, length, &kept));
  OK(lucet_instance_view_mut(caller, 0, address - 8, 8, &kept_out));
  CHECK((uintptr_t)kept % 4 == address % 4);
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_instance_view(caller, 0, 65536, 1, &again));
  memcpy(kept_out, kept, length < 8 ? length : 8);
  OK(lucet_instance_view(caller, 0, address - 8, 1, &again));
  EQUAL(again[0], kept[0]);
  return kept[0];
}
static void ask_array(lucet_call *call, void *data, const lucet_value *arguments, lucet_value *results) {
  CHECK(data == &calls);
  results[0] = lucet_value_i32(ask(call, (uint32_t)arguments[0].of.i32, (uint32_t)arguments[1].of.i32));
}

static const lucet_host_function rows[] = {
    LUCET_HOST("keep", keep, int32_t, lucet_bytes),
    LUCET_HOST("fill", fill, int32_t, lucet_bytes_out),
    LUCET_HOST_LEAF("leaf", leaf, int32_t, lucet_bytes, lucet_bytes_out),
    LUCET_HOST("change", change, int32_t, lucet_bytes_inout),
    LUCET_HOST("text", text, int32_t, lucet_string),
    LUCET_HOST("mixed", mixed, double, int32_t, double, int32_t, int64_t, int32_t, float, lucet_string, int32_t,
               lucet_bytes_inout, int32_t),
    LUCET_HOST("outer", outer, int32_t, lucet_bytes, lucet_bytes_out, int32_t),
    LUCET_HOST("wait", wait_for_it, int32_t, lucet_bytes_out),
    LUCET_HOST("ask", ask, int32_t, uint32_t, uint32_t),
};

static lucet_instance *guest;

/* ---- children that do what is wrong ---- */

static const volatile uint8_t *expected;
enum { AT_THE_PLACE = 42, ELSEWHERE = 43, SURVIVED = 44 };
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  _exit(info->si_addr == (const volatile void *)expected ? AT_THE_PLACE : ELSEWHERE);
}

/* What becomes of a child that reads, or writes, a byte. `handled`: with a handler that looks at the address. */
static int touching(const volatile uint8_t *at, int writing, int handled) {
  int status = 0;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    if (handled) {
      struct sigaction action;
      memset(&action, 0, sizeof action);
      action.sa_sigaction = on_fault;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      expected = at;
      sigaction(SIGSEGV, &action, NULL);
    }
    if (writing)
      *(volatile uint8_t *)(uintptr_t)at = 1;
    else
      kept_size = *at;
    _exit(SURVIVED);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return status;
}
static void dies_at(const volatile uint8_t *at, int writing, int line) {
  int plain = touching(at, writing, 0), handled = touching(at, writing, 1);
  int good = WIFSIGNALED(plain) && WTERMSIG(plain) == SIGSEGV && WIFEXITED(handled) && WEXITSTATUS(handled) == AT_THE_PLACE;
  if (!harness_result(good, __FILE__, line)) printf("statuses %#x and %#x\n", (unsigned)plain, (unsigned)handled);
}

static void kept_views_kill(void) {
  EQUAL(RUN2(guest, "keep", 16, 5), 'h');
  DIES(kept, 0);
  DIES(kept + 4, 0);
  EQUAL(RUN2(guest, "keep", 65532, 4), 'l');
  DIES(kept, 0);
  EQUAL(RUN2(guest, "text", 16, 5), 5);
  DIES(kept, 0);
  EQUAL(RUN2(guest, "leaf", 16, 5), 5);
  DIES(kept, 0);
  DIES(kept_out, 1);
  EQUAL(RUN2(guest, "change", 16, 5), 'h');
  DIES(kept_out, 0);
  DIES(kept_out, 1);
  /* Nothing of it is left behind in the guest. */
  EQUAL(RUN1(guest, "byte", 20), 'o' + 1);
}

/* While the function runs: behind the range, and into what it said it reads. */
static int32_t misuse(lucet_call *call, lucet_bytes bytes) {
  (void)call;
  calls++;
  DIES(bytes.data + bytes.size, 0);
  DIES(bytes.data, 1);
  return 0;
}
static const lucet_host_function wrong[] = {LUCET_HOST("keep", misuse, int32_t, lucet_bytes)};

static void views_that_were_asked_for_kill(void) {
  static const char *const asks[] = {"ask", "asked"};
  int which;
  for (which = 0; which < 2; which++) {
    OK(lucet_instance_reset(guest));
    EQUAL(RUN2(guest, asks[which], 16, 5), 'h');
    DIES(kept, 0);
    DIES(kept + 4, 0);
    DIES(kept_out, 1);
    EQUAL(RUN1(guest, "byte", 8), 'h');
    EQUAL(RUN1(guest, "byte", 12), 'o');
    EQUAL(RUN1(guest, "byte", 13), 0);
  }
  /* Outside of calls, a view is the memory itself. */
  OK(lucet_instance_view(guest, 0, 8, 1, &kept));
  OK(lucet_instance_write(guest, 0, 8, "x", 1));
  EQUAL(kept[0], 'x');
}

static void correct_hosts_see_no_difference(void) {
  lucet_outcome outcome;
  int place;
  OK(lucet_instance_reset(guest));
  EQUAL(RUN2(guest, "fill", 100, 50), 50);
  EQUAL(RUN1(guest, "byte", 100), 'f');
  EQUAL(RUN1(guest, "byte", 101), 'w');
  EQUAL(RUN1(guest, "byte", 148), 'f');
  EQUAL(RUN1(guest, "byte", 149), 0);
  EQUAL(RUN2(guest, "leaf", 16, 5), 5);
  EQUAL(RUN1(guest, "byte", 1004), 'o');
  EQUAL(RUN2(guest, "keep", 16, 0), -1);
  OK(lucet_instance_run(guest, "mixed", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  CHECK(outcome.values[0].of.f64 > 0.74 && outcome.values[0].of.f64 < 0.76);
  for (place = 0; place < 5; place++)
    EQUAL(RUN1(guest, "byte", 2000 + place), "hello"[place]);
  calls = 0;
  OK(run_i32(guest, "keep", 2, 65532, 5, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST_ARGUMENT);
  OK(lucet_instance_reset(guest));
  OK(lucet_instance_write(guest, 0, 500, "\xff", 1));
  OK(run_i32(guest, "text", 2, 500, 1, &outcome));
  OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_HOST_ARGUMENT);
  EQUAL(calls, 0);
  OK(lucet_instance_reset(guest));
  /* All of the memory, in and out. */
  EQUAL(RUN2(guest, "keep", 0, 65536), 0);
  EQUAL(RUN2(guest, "change", 0, 65536), 0);
  EQUAL(RUN1(guest, "byte", 65535), 't' + 1);
}

static void callbacks(void) {
  lucet_outcome outcome;
  int how;
  for (how = 0; how <= 4; how++) {
    OK(lucet_instance_reset(guest));
    if (how == 2) {
      OK(run_i32(guest, "outer", 1, how, 0, &outcome));
      OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_UNREACHABLE);
      DIES(kept, 0);
      DIES(kept_out, 1);
      continue;
    }
    EQUAL(RUN1(guest, "outer", how), 7);
    DIES(kept, 0);
    DIES(kept_out, 1);
    EQUAL(RUN1(guest, "byte", 3000), 'o');
    EQUAL(RUN1(guest, "byte", 3001), 'p');
    EQUAL(RUN1(guest, "byte", 3007), how == 4 ? 0 : 9);
  }
}

static void suspended(void) {
  lucet_outcome outcome;
  lucet_value seven = lucet_value_i32(7);
  OK(lucet_instance_reset(guest));
  OK(run_i32(guest, "wait", 2, 700, 3, &outcome));
  OUTCOME(outcome, LUCET_SUSPENDED, 0);
  DIES(kept_out, 1);
  OK(lucet_instance_resume(guest, &seven, 1, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  EQUAL(outcome.values[0].of.i32, 7);
  EQUAL(RUN1(guest, "byte", 702), 'x');
}

static long mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  long lines = 0;
  int c;
  if (!maps) return -1;
  while ((c = fgetc(maps)) != EOF)
    lines += c == '\n';
  fclose(maps);
  return lines;
}

/* What is kept away is bounded: neither memory nor mappings grow with the number of calls. */
static void bounded(void) {
  long before;
  int i;
  OK(lucet_instance_reset(guest));
  for (i = 0; i < 1500; i++)
    RUN2(guest, "keep", 16, 5);
  before = mappings();
  for (i = 0; i < 3000; i++)
    RUN2(guest, "keep", 16, 5);
  CHECK(before > 0 && mappings() < before + 50);
  DIES(kept, 0);
}

static void define_array(lucet_linker *linker) {
  static const lucet_type types[] = {LUCET_I32, LUCET_I32};
  NEED(lucet_linker_define_dynamic(linker, "poison", "asked", types, 2, types, 1, ask_array, &calls, NULL));
}

static void all(const char *name) {
  lucet_linker *linker = NULL, *other = NULL;
  lucet_module *module, *misused;
  lucet_region *region;
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_define(linker, "poison", rows, sizeof rows / sizeof *rows, NULL));
  define_array(linker);
  OK(lucet_linker_poison_views(linker));
  module = fixture_module(name, linker);
  lucet_linker_release(linker);
  NEED(lucet_linker_new(&other));
  NEED(lucet_linker_define(other, "poison", wrong, 1, NULL));
  NEED(lucet_linker_define(other, "poison", rows + 1, sizeof rows / sizeof *rows - 1, NULL));
  define_array(other);
  OK(lucet_linker_poison_views(other));
  misused = fixture_module(name, other);
  lucet_linker_release(other);
  region = fixture_region(1);
  guest = fixture_instance(region, module, NULL);
  kept_views_kill();
  views_that_were_asked_for_kill();
  correct_hosts_see_no_difference();
  callbacks();
  suspended();
  bounded();
  /* A view is over for longer than its instance. */
  OK(lucet_instance_release(guest));
  DIES(kept, 0);
  guest = fixture_instance(region, misused, NULL);
  calls = 0;
  EQUAL(RUN2(guest, "keep", 16, 5), 0);
  EQUAL(calls, 1);
  OK(lucet_instance_release(guest));
  lucet_region_release(region);
  lucet_module_release(module);
  lucet_module_release(misused);
  DIES(kept, 0);
}

int main(void) {
  STATUS(LUCET_NULL_ARGUMENT, lucet_linker_poison_views(NULL));
  all("poison");
  all("poison_passing");
  return finish();
}
