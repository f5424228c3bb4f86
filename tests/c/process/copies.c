/* copies.c COPY1 COPY2 GUEST: two copies of liblucet in one process, in either order: each stops its own
 * guests, also when they run inside of each other, and both pass on what is the host's. Built without the
 * library. */
#include "copies.h"
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned checks, failures;
static copy_function first, second;
static sigjmp_buf back;
static volatile sig_atomic_t faults;

static void equal(int actual, int expected, const char *text, int line) {
  checks++;
  if (actual == expected) return;
  failures++;
  printf("copies.c:%d: %s is %d, expected %d\n", line, text, actual, expected);
}
#define EQUAL(actual, expected) equal(actual, expected, #actual, __LINE__)

static copy_function open_copy(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  union {
    void *object;
    copy_function function;
  } symbol;
  symbol.object = library ? dlsym(library, "copy") : NULL;
  if (!symbol.object) {
    printf("%s\n", dlerror());
    exit(1);
  }
  return symbol.function;
}

static void on_fault(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  faults = faults + (info->si_addr == (void *)16 ? 1 : 100);
  siglongjmp(back, 1);
}

static void *kill_soon(void *whose) {
  const struct timespec moment = {0, 2000000};
  do
    nanosleep(&moment, NULL);
  while (((copy_function)whose)(COPY_KILL, NULL) == -1); /* on a busy machine it may not spin yet */
  return NULL;
}

static void traps(copy_function one) {
  EQUAL(one(COPY_VALUE, NULL), 42);
  EQUAL(one(COPY_MEMORY, NULL), 1002);
  EQUAL(one(COPY_STACK, NULL), 1009);
  EQUAL(one(COPY_UNREACHABLE, NULL), 1001);
  EQUAL(one(COPY_DEADLINE, NULL), 2003);
}

static int value_of_second(void) { return second(COPY_VALUE, NULL); }
static int memory_of_second(void) { return second(COPY_MEMORY, NULL); }
static int stack_of_second(void) { return second(COPY_STACK, NULL); }
static int deadline_of_second(void) { return second(COPY_DEADLINE, NULL); }

static void inside(int (*function)(void), int expected) {
  union {
    int (*function)(void);
    const void *object;
  } pointer = {function};
  EQUAL(first(COPY_INNER, pointer.object), expected);
}

static void host_fault(void) {
  int before = faults;
  if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
  EQUAL(faults, before + 1);
}

/* Which the host's handler leaves past the run. */
static void host_fault_in_a_host_function(copy_function one) {
  int before = faults;
  if (sigsetjmp(back, 1) == 0) one(COPY_HOST_FAULT, NULL);
  EQUAL(faults, before + 1);
  EQUAL(one(COPY_ABANDON, NULL), 0);
  EQUAL(one(COPY_VALUE, NULL), 42);
}

int main(int count, char **arguments) {
  struct sigaction action;
  pthread_t thread;
  if (count != 4) return 2;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, NULL);
  first = open_copy(arguments[1]);
  second = open_copy(arguments[2]);
  EQUAL(first == second, 0);
  EQUAL(first(COPY_START, arguments[3]), 0);
  EQUAL(second(COPY_START, arguments[3]), 0);
  for (int round = 0; round < 2; round++) {
    copy_function other = first;
    EQUAL(first(COPY_INSTALL, NULL), 0);
    EQUAL(second(COPY_INSTALL, NULL), 0);
    EQUAL(first(COPY_OPEN, NULL), 0);
    EQUAL(second(COPY_OPEN, NULL), 0);
    traps(first);
    traps(second);
    inside(value_of_second, 42);
    inside(memory_of_second, 1002);
    inside(stack_of_second, 1009);
    inside(deadline_of_second, 2003);
    traps(first);
    host_fault();
    host_fault_in_a_host_function(first);
    host_fault_in_a_host_function(second);
    for (int i = 0; i < 2; i++) {
      copy_function killed = i ? first : second;
      pthread_create(&thread, NULL, kill_soon, (void *)killed);
      EQUAL(killed(COPY_SPIN, NULL), 2002);
      pthread_join(thread, NULL);
    }
    /* The lower one cannot go while the upper one sits on it. */
    EQUAL(first(COPY_CHECK, NULL), 4); /* BAD_STATE, although everything works */
    EQUAL(second(COPY_CHECK, NULL), 0);
    EQUAL(first(COPY_REMOVE, NULL), 4);
    EQUAL(second(COPY_REMOVE, NULL), 0);
    EQUAL(first(COPY_REMOVE, NULL), 0);
    EQUAL(sigaction(SIGSEGV, NULL, &action), 0);
    EQUAL(action.sa_sigaction == on_fault, 1);
    host_fault();
    EQUAL(first(COPY_STOP, NULL), 0);
    EQUAL(second(COPY_STOP, NULL), 0);
    EQUAL(first(COPY_START, arguments[3]), 0);
    EQUAL(second(COPY_START, arguments[3]), 0);
    first = second;
    second = other;
  }
  printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks;
}
