/* engine_native.c: the same sources as programs of this machine. A run is a process: started, its standard
 * input a file, its standard output a pipe that is read to its end, and waited for.
 *
 * Not here: taking off what starting a process costs; bench/README.md says that it is in the figure. */
#define _GNU_SOURCE
#include "engine.h"
#include "wasi.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct twin {
  char *executable, *input;
};

static void *open_twin(const struct program *program) {
  struct twin *self = calloc(1, sizeof *self);
  if (!self || !(self->executable = strdup(program_file(program, ".native"))) ||
      !(self->input = strdup(program_file(program, ".input"))))
    bench_fail("no memory");
  return self;
}

/* Starts the process; answers the end of the pipe that its output comes from. */
static int start(const struct twin *self, pid_t *process) {
  char *words[] = {self->executable, NULL};
  posix_spawn_file_actions_t actions;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) || posix_spawn_file_actions_init(&actions) ||
      posix_spawn_file_actions_addopen(&actions, 0, self->input, O_RDONLY, 0) ||
      posix_spawn_file_actions_adddup2(&actions, ends[1], 1))
    bench_fail("native: no pipe");
  if (posix_spawn(process, self->executable, &actions, NULL, words, environ))
    bench_fail("native: %s cannot be started", self->executable);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  return ends[0];
}

static uint64_t run(void *opened) {
  const struct twin *self = opened;
  char bytes[8192];
  uint64_t output = HASH_OF_NOTHING;
  ssize_t got;
  pid_t process;
  int status, from = start(self, &process);
  while ((got = read(from, bytes, sizeof bytes)) > 0)
    output = wasi_hash(output, bytes, (size_t)got);
  close(from);
  if (got < 0 || waitpid(process, &status, 0) != process || !WIFEXITED(status))
    bench_fail("native: %s has not exited", self->executable);
  return wasi_answer(output, (uint64_t)WEXITSTATUS(status));
}

const struct engine engine_native = {"native", open_twin, run};
