/* host_faults.c: a fault in the host's own code is the host's, wherever it happens: before the library is there, where no guest has run,
 * in host functions of every kind, on a thread while another runs a guest, afterwards, and when the library has gone. Its handler finds
 * every register, the mask and the siginfo as without the library; without a handler, the process dies at the instruction that
 * faulted, as a tracer sees. */
#include "fixture.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Reads from an address, or executes what is no instruction for NULL, with known values in all registers; the stack pointer is in r10. */
void fault(const volatile void *address);
extern const char fault_load[], fault_illegal[], fault_over[];
__asm__(".text\n"
        "fault:\n"
        "  pushq %rbx\n  pushq %rbp\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movabsq $0x1111222233334444, %rbx\n  movabsq $0x2111222233334444, %rbp\n"
        "  movabsq $0x3111222233334444, %r12\n  movabsq $0x4111222233334444, %r13\n"
        "  movabsq $0x5111222233334444, %r14\n  movabsq $0x6111222233334444, %r15\n"
        "  movabsq $0x7111222233334444, %rsi\n  movabsq $0x0111222233334444, %rdx\n"
        "  movabsq $0x0211222233334444, %rcx\n  movabsq $0x0311222233334444, %r8\n"
        "  movabsq $0x0411222233334444, %r9\n  movabsq $0x0511222233334444, %r11\n"
        "  movq %rbx, %xmm0\n  movq %r15, %xmm15\n"
        "  movq %rsp, %r10\n  movq %rbx, %rax\n"
        "  testq %rdi, %rdi\n  stc\n  jz fault_illegal\n"
        "fault_load:\n  movl (%rdi), %eax\n  jmp fault_over\n"
        "fault_illegal:\n  ud2\n"
        "fault_over:\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbp\n  popq %rbx\n  ret\n");

enum kind { NO_ACCESS, NOT_MAPPED, NO_ADDRESS, BEHIND_THE_FILE, ILLEGAL, KINDS };
static const volatile void *address_of[KINDS];

/* What a handler is told; padding is zeroed, so it can be compared as bytes. */
struct told {
  int signal, code, number, blocked;
  uintptr_t address;
  greg_t registers[NGREG];
  uint64_t xmm0, xmm15;
};

static _Thread_local struct told told;
static _Thread_local int times;

static void on_fault(int signal, siginfo_t *info, void *raw) {
  ucontext_t *context = raw;
  memset(&told, 0, sizeof told);
  told.signal = signal;
  told.code = info->si_code;
  told.number = info->si_signo * 1000 + info->si_errno;
  told.address = (uintptr_t)info->si_addr;
  memcpy(told.registers, context->uc_mcontext.gregs, sizeof told.registers);
  memcpy(&told.xmm0, &context->uc_mcontext.fpregs->_xmm[0], 8);
  memcpy(&told.xmm15, &context->uc_mcontext.fpregs->_xmm[15], 8);
  told.blocked = sigismember(&context->uc_sigmask, SIGUSR2) * 2 + sigismember(&context->uc_sigmask, signal);
  times++;
  context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fault_over;
}

static void set_handlers(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGILL, &action, NULL);
}

static struct told usual[KINDS];
static lucet_region *region;
static lucet_module *module;
static atomic_uint wrong;

/* What does not depend on the place; on all threads, so it counts, and the main thread checks. */
static struct told normal(struct told it) {
  if (it.registers[REG_RSP] != it.registers[REG_R10]) atomic_fetch_add(&wrong, 1);
  it.registers[REG_RSP] = it.registers[REG_R10] = 0;
  /* Stack addresses of xsave areas and reserved words are not registers. */
  it.registers[REG_OLDMASK] = 0;
  return it;
}

static void all_kinds(const char *where) {
  for (int kind = 0; kind < KINDS; kind++) {
    struct told is;
    int before = times;
    fault(address_of[kind]);
    is = normal(told);
    if (times == before + 1 && !memcmp(&is, &usual[kind], sizeof is)) continue;
    atomic_fetch_add(&wrong, 1);
    printf("%s, kind %d: %d times, signal %d code %d address %" PRIxPTR " pc %llx flags %llx\n", where, kind,
           times - before, is.signal, is.code, is.address, is.registers[REG_RIP], is.registers[REG_EFL]);
  }
}

static int32_t act(lucet_call *call, int32_t value) {
  lucet_value inner = lucet_value_i32(value - 1);
  lucet_outcome outcome;
  all_kinds(value ? "host function, callback outside" : "host function");
  if (value && (lucet_call_run(call, "ask", &inner, 1, &outcome) || outcome.kind != LUCET_RETURNED))
    atomic_fetch_add(&wrong, 1);
  all_kinds("host function, again");
  return value + 1;
}

static int32_t leaf(lucet_call *call, int32_t value) {
  (void)call;
  all_kinds("leaf");
  return value + 1;
}

static void *on_a_thread(void *where) {
  all_kinds(where);
  return NULL;
}

static void in_a_thread(const char *where) {
  pthread_t thread;
  char name[64];
  snprintf(name, sizeof name, "%s", where);
  EQUAL(pthread_create(&thread, NULL, on_a_thread, name), 0);
  EQUAL(pthread_join(thread, NULL), 0);
}

/* While the main thread runs a guest: then the guest is killed. */
static void *during(void *handle) {
  const struct timespec moment = {0, 20000000};
  nanosleep(&moment, NULL);
  for (int i = 0; i < 200; i++) all_kinds("another thread runs a guest");
  lucet_kill(*(lucet_kill_handle *)handle, 1);
  return NULL;
}

static void places(void) {
  lucet_instance *guest;
  lucet_kill_handle handle;
  lucet_outcome outcome;
  pthread_t thread;
  all_kinds("no guest yet");
  in_a_thread("a thread without guests");
  guest = fixture_instance(region, module, NULL);
  EQUAL(RUN1(guest, "ask", 0), 1);
  EQUAL(RUN1(guest, "ask", 2), 3);
  EQUAL(RUN1(guest, "leaf", 7), 8);
  OK(lucet_instance_kill_handle(guest, &handle));
  EQUAL(pthread_create(&thread, NULL, during, &handle), 0);
  OK(lucet_instance_run(guest, "spin", NULL, 0, &outcome));
  OUTCOME(outcome, LUCET_TERMINATED, LUCET_STOP_KILL);
  EQUAL(pthread_join(thread, NULL), 0);
  all_kinds("after the runs");
  in_a_thread("a thread after the runs");
  OK(lucet_instance_release(guest));
}

/* -- dying of it -- */
static int32_t dies(lucet_call *call, int32_t value) {
  (void)call;
  fault(address_of[NO_ACCESS]);
  return value;
}

static void be_traced(lucet_module *dying, void (*disposition)(int)) {
  lucet_region *own = NULL;
  lucet_instance *guest = NULL;
  lucet_value zero = lucet_value_i32(0);
  lucet_outcome outcome;
  if (lucet_signals_remove()) _exit(3);
  signal(SIGSEGV, disposition);
  if (lucet_signals_install(0) || lucet_region_new(NULL, &own)) _exit(4);
  if (lucet_instance_new(own, dying, NULL, NULL, &guest)) _exit(5);
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(77);
  raise(SIGSTOP);
  lucet_instance_run(guest, "ask", &zero, 1, &outcome);
  _exit(6);
}

/* Follows a child to its end: the registers of the last moment are those of the instruction, so a core file has them, and each SIGSEGV on
 * the way there says the same. */
static void dying(void (*disposition)(int)) {
  lucet_linker *linker = NULL;
  lucet_module *own;
  struct user_regs_struct registers;
  siginfo_t info;
  int status = 0, faults = 0, ends = 0;
  pid_t child;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", dies, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  own = fixture_module("ways", linker);
  lucet_linker_release(linker);
  fflush(stdout);
  child = fork();
  if (child == 0) be_traced(own, disposition);
  EQUAL(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    printf("ptrace is not permitted here: the place of death is not looked at\n");
  } else {
    CHECK(WIFSTOPPED(status));
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACEEXIT);
    ptrace(PTRACE_CONT, child, NULL, NULL);
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
      int signal = WSTOPSIG(status);
      int end = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
      EQUAL(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
      if (signal == SIGSEGV || end) {
        EQUAL(registers.rip, (uintptr_t)fault_load);
        EQUAL(registers.r15, 0x6111222233334444);
        EQUAL(registers.rsp, registers.r10);
      }
      if (signal == SIGSEGV) {
        EQUAL(ptrace(PTRACE_GETSIGINFO, child, NULL, &info), 0);
        EQUAL(info.si_code, SEGV_ACCERR);
        CHECK(info.si_addr == address_of[NO_ACCESS]);
      }
      faults += signal == SIGSEGV;
      ends += end;
      ptrace(PTRACE_CONT, child, NULL, end ? 0 : signal);
    }
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(faults >= 1 && ends == 1);
  }
  lucet_module_release(own);
}

static void prepare_addresses(void) {
  FILE *file = tmpfile();
  void *behind;
  NEED(file ? LUCET_OK : LUCET_SYSTEM);
  behind = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(file), 0);
  CHECK(behind != MAP_FAILED);
  fclose(file);
  address_of[NO_ACCESS] = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  address_of[NOT_MAPPED] = (const volatile void *)16;
  address_of[NO_ADDRESS] = (const volatile void *)0x8000000000000000u;
  address_of[BEHIND_THE_FILE] = behind;
  address_of[ILLEGAL] = NULL;
}

int main(void) {
  lucet_linker *linker = NULL;
  sigset_t some;
  prepare_addresses();
  set_handlers();
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &some, NULL);
  /* Without the library. */
  for (int kind = 0; kind < KINDS; kind++) {
    fault(address_of[kind]);
    usual[kind] = normal(told);
    EQUAL(usual[kind].registers[REG_RIP], (uintptr_t)(kind == ILLEGAL ? fault_illegal : fault_load));
    EQUAL(usual[kind].registers[REG_R12], 0x3111222233334444);
    EQUAL(usual[kind].xmm15, 0x6111222233334444);
    EQUAL(usual[kind].blocked, 2);
  }
  EQUAL(usual[BEHIND_THE_FILE].signal, SIGBUS);
  EQUAL(usual[ILLEGAL].signal, SIGILL);
  EQUAL(usual[NO_ADDRESS].code, SI_KERNEL);
  EQUAL(times, KINDS);
  region = fixture_region(4);
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("ask", act, int32_t, int32_t),
                    LUCET_HOST_LEAF("leaf", leaf, int32_t, int32_t)));
  module = fixture_module("ways", linker);
  lucet_linker_release(linker);
  places();
  dying(SIG_DFL);
  dying(SIG_IGN);
  lucet_module_release(module);
  lucet_region_release(region);
  OK(lucet_signals_remove());
  all_kinds("the library has gone");
  EQUAL(atomic_load(&wrong), 0);
  return finish();
}
