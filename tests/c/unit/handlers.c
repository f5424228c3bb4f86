/* handlers.c: signal handlers of the host's that run on a guest's stack, because they have no SA_ONSTACK,
 * when the guest has used it up. The process lives on in any case; what can be lost is the signal, which is
 * counted. */
#include "fixture.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* What nginx's handlers need when they log. */
enum { HANDLER_BYTES = 6000 };

static volatile sig_atomic_t handled;
static pthread_t main_thread;
static volatile int32_t *words; /* the guest's */
static volatile int over;

static void on_user(int signal) {
  volatile char buffer[HANDLER_BYTES];
  (void)signal;
  for (size_t i = 0; i < sizeof buffer; i += 512)
    buffer[i] = 1;
  handled = handled + buffer[0];
}

/* A second signal comes while the handler of the first one is just beginning. */
static void on_first(int signal) {
  volatile char buffer[64];
  (void)signal;
  buffer[0] = 1;
  raise(SIGUSR2);
  handled = handled + buffer[0];
}

static void on_second(int signal) { on_user(signal); }

static void set_handler(int signal, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  EQUAL(sigaction(signal, &action, NULL), 0);
}

/* Waits until the guest is there, sends one signal, waits until it has been handled or the run is over, lets
 * the guest go on. */
static void *sender(void *nothing) {
  int before = handled;
  while (!words[0] && !over)
    usleep(10);
  if (words[0]) pthread_kill(main_thread, SIGUSR1);
  while (handled == before && !over)
    usleep(10);
  words[1] = 1;
  return nothing;
}

struct seen {
  unsigned handled, lost;
};

/* Goes to the given depth and gets a signal there. */
static lucet_outcome one(lucet_instance *guest, int32_t depth) {
  lucet_outcome outcome;
  pthread_t thread;
  words[0] = words[1] = 0;
  over = 0;
  EQUAL(pthread_create(&thread, NULL, sender, NULL), 0);
  OK(run_i32(guest, "down", 1, depth, 0, &outcome));
  over = 1;
  pthread_join(thread, NULL);
  return outcome;
}

static void find_words(lucet_instance *guest) {
  uint8_t *address = NULL;
  OK(lucet_instance_view_mut(guest, 0, 0, 8, &address));
  words = (volatile int32_t *)(void *)address;
}

/* The deepest call that returns. */
static int32_t deepest(lucet_instance *guest) {
  int32_t low = 0, high = 1 << 20;
  lucet_outcome outcome;
  words[1] = 1;
  while (high - low > 1) {
    int32_t middle = low + (high - low) / 2;
    OK(run_i32(guest, "down", 1, middle, 0, &outcome));
    if (outcome.kind == LUCET_RETURNED) {
      low = middle;
    } else {
      OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
      OK(lucet_instance_reset(guest));
      find_words(guest);
      words[1] = 1;
      high = middle;
    }
  }
  return low;
}

/* A signal at each of the last depths; whatever happens, the guest and the host are well afterwards. */
static struct seen sweep(lucet_region *region, const lucet_module *module) {
  struct seen seen = {0, 0};
  lucet_instance *guest = fixture_instance(region, module, NULL);
  lucet_region_stats stats = lucet_region_stats_default();
  int32_t bottom;
  find_words(guest);
  bottom = deepest(guest);
  CHECK(bottom > 500);
  for (int32_t above = 0; above < 400; above += above < 40 ? 1 : 13) {
    int before = handled;
    uint64_t lost_before;
    lucet_outcome outcome;
    OK(lucet_region_get_stats(region, &stats));
    lost_before = stats.signals_lost;
    outcome = one(guest, bottom - above);
    OK(lucet_region_get_stats(region, &stats));
    if (outcome.kind == LUCET_RETURNED) {
      EQUAL(outcome.values[0].of.i32, bottom - above);
      CHECK(handled > before);
      EQUAL(stats.signals_lost, lost_before);
      seen.handled++;
    } else {
      OUTCOME(outcome, LUCET_TRAPPED, LUCET_TRAP_STACK);
      EQUAL(handled, before);
      EQUAL(stats.signals_lost, lost_before + 1);
      seen.lost++;
      OK(lucet_instance_reset(guest));
      find_words(guest);
    }
  }
  /* The stack has its old end again. */
  OK(lucet_instance_reset(guest));
  find_words(guest);
  EQUAL(deepest(guest), bottom);
  OK(lucet_instance_release(guest));
  return seen;
}

static void two_at_once(lucet_region *region, const lucet_module *module) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  int32_t bottom;
  unsigned both = 0, lost = 0;
  find_words(guest);
  bottom = deepest(guest);
  set_handler(SIGUSR1, on_first, 0);
  set_handler(SIGUSR2, on_second, 0);
  for (int32_t above = 60; above < 400; above += 7) {
    int before = handled;
    lucet_outcome outcome = one(guest, bottom - above);
    if (outcome.kind == LUCET_RETURNED) {
      CHECK(handled - before >= 1);
      if (handled - before == 2)
        both++;
      else
        lost++;
    }
    OK(lucet_instance_reset(guest));
    find_words(guest);
  }
  CHECK(both > 0);
  /* The second frame did not fit where the first one just did. */
  CHECK(lost > 0);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_region *region;
  lucet_module *plain, *checked;
  lucet_region_config config = lucet_region_config_default();
  struct seen seen;
  struct sigaction action;
  main_thread = pthread_self();
  region = fixture_region(2);
  plain = fixture_module("edge", NULL);
  checked = fixture_module("edge_checked", NULL);

  set_handler(SIGUSR1, on_user, 0);
  seen = sweep(region, plain);
  CHECK(seen.handled > 0);
  CHECK(seen.lost > 0);
  two_at_once(region, plain);

  set_handler(SIGUSR1, on_user, 0);
  seen = sweep(region, checked);
  CHECK(seen.handled > 0);
  EQUAL(seen.lost, 0);

  OK(lucet_signals_install(LUCET_SIGNALS_ONSTACK));
  EQUAL(sigaction(SIGUSR1, NULL, &action), 0);
  CHECK(action.sa_flags & SA_ONSTACK);
  seen = sweep(region, plain);
  CHECK(seen.handled > 0);
  EQUAL(seen.lost, 0);
  lucet_region_release(region);

  /* What a checked module keeps is the region's to say, and must leave something. */
  config.stack_bytes = 32 << 10;
  config.instances = 1;
  NEED(lucet_region_new(&config, &region));
  {
    lucet_instance *guest = NULL;
    FAILS(LUCET_INCOMPATIBLE, "signal handlers", lucet_instance_new(region, checked, NULL, NULL, &guest));
    OK(lucet_instance_new(region, plain, NULL, NULL, &guest));
    OK(lucet_instance_release(guest));
    lucet_region_release(region);
    OK(lucet_region_config_fit(&config, checked));
    CHECK(config.stack_bytes > 64 << 10);
    NEED(lucet_region_new(&config, &region));
    OK(lucet_instance_new(region, checked, NULL, NULL, &guest));
    OK(lucet_instance_release(guest));
  }
  lucet_module_release(plain);
  lucet_module_release(checked);
  lucet_region_release(region);
  return finish();
}
