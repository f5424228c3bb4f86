/* loading.c LIBRARY GUEST: what loading the library, loading and linking modules, and running guests do to
 * the process: nothing, but for what the header says. Built without the library, which is loaded by dlopen.
 *
 * A snapshot has everything about the process and this thread that a library could change; it is compared
 * after each step. */
#include <dirent.h>
#include <dlfcn.h>
#include <locale.h>
#include <lucet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;
enum { ROOM = 32 << 10 };

static unsigned checks, failures;

static void check(int good, const char *what, int line) {
  checks++;
  if (good) return;
  failures++;
  printf("loading.c:%d: not so: %s\n", line, what);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

__attribute__((format(printf, 2, 3))) static char *append(char *text, const char *format, ...) {
  va_list arguments;
  size_t length = strlen(text);
  va_start(arguments, format);
  vsnprintf(text + length, ROOM - length, format, arguments);
  va_end(arguments);
  return text;
}

static void entries(char *text, const char *directory, int follow) {
  char names[128][32], path[64], target[256];
  int count = 0;
  DIR *open = opendir(directory);
  struct dirent *entry;
  while (open && (entry = readdir(open)) && count < 128)
    if (entry->d_name[0] != '.' && !(follow && atoi(entry->d_name) == dirfd(open)))
      snprintf(names[count++], 32, "%.31s", entry->d_name);
  if (open) closedir(open);
  append(text, "%s: %d\n", directory, count);
  for (int i = 0; follow && i < count; i++) {
    ssize_t length;
    snprintf(path, sizeof path, "%.20s/%.31s", directory, names[i]);
    length = readlink(path, target, sizeof target - 1);
    append(text, "  %s %.*s\n", names[i], (int)(length < 0 ? 0 : length), target);
  }
}

static void file(char *text, const char *path) {
  char line[4096];
  size_t length;
  FILE *open = fopen(path, "r");
  if (!open) return;
  length = fread(line, 1, sizeof line - 1, open);
  line[length] = 0;
  append(text, "%s: %s\n", path, line);
  fclose(open);
}

static void signals(char *text) {
  sigset_t mask;
  stack_t stack;
  for (int signal = 1; signal <= 64; signal++) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action)) continue;
    append(text, "signal %d: %p %x %lx\n", signal, (void *)(size_t)action.sa_handler,
           (unsigned)action.sa_flags, *(unsigned long *)&action.sa_mask);
  }
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  sigaltstack(NULL, &stack);
  append(text, "mask %lx\nalternate stack %p %zu %d\n", *(unsigned long *)&mask, stack.ss_sp, stack.ss_size,
         stack.ss_flags);
}

static void snapshot(char *text) {
  char directory[4096];
  unsigned mxcsr;
  unsigned short x87;
  mode_t mask = umask(0);
  cpu_set_t cpus;
  struct itimerval timer;
  text[0] = 0;
  umask(mask);
  entries(text, "/proc/self/task", 0);
  entries(text, "/proc/self/fd", 1);
  file(text, "/proc/self/timers");
  signals(text);
  append(text, "environment %p\n", (void *)environ);
  for (char **variable = environ; *variable; variable++)
    append(text, "  %p %.40s\n", (void *)*variable, *variable);
  append(text, "locale %s\numask %o\ncwd %s\n", setlocale(LC_ALL, NULL), (unsigned)mask,
         getcwd(directory, sizeof directory));
  for (int i = 0; i < 3; i++) {
    FILE *stream = i == 0 ? stdin : i == 1 ? stdout : stderr;
    append(text, "stdio %d: %zu bytes, line %d, pending %zu, error %d\n", i, __fbufsize(stream),
           __flbf(stream), __fpending(stream), ferror(stream));
  }
  for (int limit = 0; limit < RLIM_NLIMITS; limit++) {
    struct rlimit is;
    getrlimit((__rlimit_resource_t)limit, &is);
    append(text, "limit %d: %lu %lu\n", limit, (unsigned long)is.rlim_cur, (unsigned long)is.rlim_max);
  }
  getitimer(ITIMER_REAL, &timer);
  sched_getaffinity(0, sizeof cpus, &cpus);
  append(text, "alarm %ld\ncpus %d\nscheduler %d\nnice %d\n", (long)timer.it_value.tv_sec, CPU_COUNT(&cpus),
         sched_getscheduler(0), getpriority(PRIO_PROCESS, 0));
  append(text, "dumpable %d\nno new privileges %d\ntimer slack %d\n", prctl(PR_GET_DUMPABLE),
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK));
  file(text, "/proc/self/comm");
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  append(text, "mxcsr %x\nx87 %x\n", mxcsr & ~0x3fu, x87);
}

static char before[ROOM], now[ROOM];

/* Lines that differ. */
static int differences(const char *one, const char *other, int print) {
  int count = 0;
  while (*one || *other) {
    size_t a = strcspn(one, "\n"), b = strcspn(other, "\n");
    if (a != b || memcmp(one, other, a)) {
      count++;
      if (print) printf("  was %.*s\n  is  %.*s\n", (int)a, one, (int)b, other);
    }
    one += a + (one[a] == '\n');
    other += b + (other[b] == '\n');
  }
  return count;
}

static void unchanged(const char *step, int line) {
  snapshot(now);
  checks++;
  if (!strcmp(before, now)) return;
  failures++;
  printf("loading.c:%d: %s has changed the process:\n", line, step);
  differences(before, now, 1);
}
#define UNCHANGED(step) unchanged(step, __LINE__)

static void *library;
static lucet_function function(const char *name) {
  union {
    void *object;
    lucet_function function;
  } found;
  found.object = dlsym(library, name);
  if (found.object) return found.function;
  printf("no %s\n", name);
  exit(1);
}
/* The library's function, by the type that the header gives it. */
#define THE(name) ((__typeof__(name) *)function(#name))

int main(int count, char **arguments) {
  lucet_linker *linker = NULL;
  lucet_module *module = NULL;
  lucet_region *region = NULL;
  lucet_instance *guest = NULL;
  lucet_outcome outcome;
  lucet_limits limits;
  if (count != 3) return 2;
  setlocale(LC_ALL, "");
  umask(027);
  printf("loading\n"); /* stdio has its buffers now */
  fflush(stdout);
  snapshot(before);
  library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    printf("%s\n", dlerror());
    return 1;
  }
  UNCHANGED("dlopen");
  CHECK(THE(lucet_linker_new)(&linker) == LUCET_OK);
  CHECK(THE(lucet_linker_trap_missing)(linker) == LUCET_OK);
  CHECK(THE(lucet_module_load_file)("/nowhere", linker, NULL, &module) == LUCET_NOT_FOUND);
  UNCHANGED("a module that is not there");
  CHECK(THE(lucet_module_load_file)(arguments[2], linker, NULL, &module) == LUCET_OK);
  THE(lucet_linker_release)(linker);
  UNCHANGED("loading and linking a module");
  CHECK(THE(lucet_region_new)(NULL, &region) == LUCET_NO_SIGNALS);
  UNCHANGED("a region that cannot be made");

  /* Now, and only now, four signals. */
  CHECK(THE(lucet_signals_install)(0) == LUCET_OK);
  snapshot(now);
  CHECK(differences(before, now, 0) == 4);
  for (int signal = 1; signal < SIGRTMIN; signal++) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action)) continue;
    CHECK((action.sa_handler == SIG_DFL) == (signal != SIGSEGV && signal != SIGBUS && signal != SIGILL));
  }
  snapshot(before);
  CHECK(THE(lucet_region_new)(NULL, &region) == LUCET_OK);
  CHECK(THE(lucet_instance_new)(region, module, NULL, NULL, &guest) == LUCET_OK);
  UNCHANGED("a region and an instance");

  /* The first run prepares the thread: an alternate stack, and a timer. */
  CHECK(THE(lucet_instance_run)(guest, "outside", NULL, 0, &outcome) == LUCET_OK);
  CHECK(outcome.kind == LUCET_TRAPPED);
  memset(&limits, 0, sizeof limits);
  limits.struct_size = sizeof limits;
  limits.deadline_ns = 1;
  CHECK(THE(lucet_instance_reset)(guest) == LUCET_OK);
  CHECK(THE(lucet_instance_set_limits)(guest, &limits) == LUCET_OK);
  CHECK(THE(lucet_instance_run)(guest, "spin", NULL, 0, &outcome) == LUCET_OK);
  CHECK(outcome.kind == LUCET_TERMINATED);
  snapshot(now);
  CHECK(differences(before, now, 0) > 0);
  THE(lucet_thread_detach)();
  UNCHANGED("running guests, once the thread is detached,");

  CHECK(THE(lucet_instance_release)(guest) == LUCET_OK);
  THE(lucet_module_release)(module);
  THE(lucet_region_release)(region);
  UNCHANGED("releasing everything");
  CHECK(THE(lucet_signals_remove)() == LUCET_OK);
  snapshot(now);
  {
    /* All is as at the start, but for the stop signal, which is ignored. */
    unsigned ignored = 0, others = 0;
    for (int signal = 1; signal <= 64; signal++) {
      struct sigaction action;
      if (sigaction(signal, NULL, &action)) continue;
      if (action.sa_handler == SIG_IGN)
        ignored++;
      else if (action.sa_handler != SIG_DFL)
        others++;
    }
    CHECK(ignored == 1);
    CHECK(others == 0);
  }
  snapshot(before);
  dlclose(library);
  UNCHANGED("dlclose");
  printf("%u checks, %u failed\n", checks, failures);
  return failures || !checks;
}
