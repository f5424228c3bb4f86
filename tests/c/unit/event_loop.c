/* event_loop.c: what limits of time do to a host that waits in epoll_wait: next to nothing. A timer that
 * fires while the host waits interrupts its system call, whatever SA_RESTART says; the library avoids that.
 */
#include "fixture.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static lucet_region *region;
static lucet_module *module;
static int events, doorbell;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct count {
  unsigned runs, waits, interrupted, others;
};

static void request(lucet_instance *guest, struct count *count) {
  lucet_limits limits = lucet_limits_default();
  lucet_outcome outcome;
  limits.deadline_ns = now_ns() + 3000000000u;
  limits.slice_ns = 1000000;
  OK(lucet_instance_set_limits(guest, &limits));
  OK(run_i32(guest, "count", 1, 1000, 0, &outcome));
  while (outcome.kind == LUCET_PREEMPTED)
    OK(lucet_instance_resume(guest, NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_RETURNED, 0);
  count->runs++;
}

static void await(int milliseconds, struct count *count) {
  struct epoll_event event;
  int found = epoll_wait(events, &event, 1, milliseconds);
  uint64_t rings;
  count->waits++;
  if (found < 0 && errno == EINTR)
    count->interrupted++;
  else if (found < 0)
    count->others++;
  if (found == 1) CHECK(read(doorbell, &rings, sizeof rings) == sizeof rings);
}

/* A request now and then. The timer of the first one is still set when the host waits. */
static void idle(lucet_instance *guest) {
  struct count count = {0, 0, 0, 0};
  while (count.runs < 150) {
    request(guest, &count);
    await(5, &count);
  }
  printf("idle: %u runs, %u waits, %u interrupted\n", count.runs, count.waits, count.interrupted);
  EQUAL(count.others, 0);
  CHECK(count.interrupted <= 3);
}

static atomic_int over;

static void *ring(void *nothing) {
  const uint64_t one = 1;
  const struct timespec moment = {0, 50000};
  while (!atomic_load(&over)) {
    if (write(doorbell, &one, sizeof one) != sizeof one) break;
    nanosleep(&moment, NULL);
  }
  return nothing;
}

/* A request at each ring, with waits of tens of microseconds in between, for a second. */
static void busy(lucet_instance *guest) {
  struct count count = {0, 0, 0, 0};
  uint64_t end = now_ns() + 1000000000u;
  pthread_t bell;
  EQUAL(pthread_create(&bell, NULL, ring, NULL), 0);
  while (now_ns() < end) {
    await(1000, &count);
    request(guest, &count);
  }
  atomic_store(&over, 1);
  pthread_join(bell, NULL);
  printf("busy: %u runs, %u waits, %u interrupted\n", count.runs, count.waits, count.interrupted);
  EQUAL(count.others, 0);
  CHECK(count.interrupted <= 10 + count.waits / 100);
}

/* A thread that has detached, and one whose guests have no limits, are left alone altogether. */
static void unlimited(void) {
  lucet_instance *guest = fixture_instance(region, module, NULL);
  struct count count = {0, 0, 0, 0};
  for (int i = 0; i < 20; i++) {
    EQUAL(RUN1(guest, "count", 1000), 1000);
    await(2, &count);
  }
  EQUAL(count.interrupted, 0);
  OK(lucet_instance_release(guest));
}

int main(void) {
  struct epoll_event interest;
  lucet_instance *guest;
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(lucet_linker_trap_missing(linker));
  module = fixture_module("stopping", linker);
  lucet_linker_release(linker);
  region = fixture_region(2);
  guest = fixture_instance(region, module, NULL);
  events = epoll_create1(0);
  doorbell = eventfd(0, 0);
  memset(&interest, 0, sizeof interest);
  interest.events = EPOLLIN;
  EQUAL(epoll_ctl(events, EPOLL_CTL_ADD, doorbell, &interest), 0);
  unlimited();
  idle(guest);
  busy(guest);
  lucet_thread_detach();
  {
    struct count count = {0, 0, 0, 0};
    await(5, &count);
    EQUAL(count.interrupted, 0);
  }
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
  lucet_region_release(region);
  close(events);
  close(doorbell);
  return finish();
}
