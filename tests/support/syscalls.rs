//! The system calls of a thread, watched by the kernel itself: counted, and failed on request. Nothing in the library knows.
//!
//! ```text
//!   any system call ---> the thread's seccomp filter ---> SIGSYS ---> handler: counts, then fails it, or makes it
//!   by the handler's own instruction, which the filter lets through
//! ```
//!
//! A filter stays on its thread for ever, so there is one such thread, [`watched`]'s, which never ends: the C library blocks all
//! signals at a thread's end, and a call that traps then would kill the process. Calls that start threads are let through.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};

std::arch::global_asm!(
    // long lucet_test_call(long number, long a, long b, long c, long d, long e, long f)
    ".pushsection .text",
    ".globl lucet_test_call",
    "lucet_test_call:",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "mov r9, [rsp + 8]",
    "syscall",
    ".globl lucet_test_call_end",
    "lucet_test_call_end:",
    "ret",
    ".popsection",
);

unsafe extern "C" {
    fn lucet_test_call(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64;
    fn lucet_test_call_end();
}

/// Calls that need memory, or another thing that the system may not have: those that can be failed.
pub const FALLIBLE: &[(i64, i32)] = &[
    (libc::SYS_mmap, libc::ENOMEM),
    (libc::SYS_mremap, libc::ENOMEM),
    (libc::SYS_mprotect, libc::ENOMEM),
    (libc::SYS_madvise, libc::EINVAL),
    (libc::SYS_memfd_create, libc::EMFILE),
    (libc::SYS_ftruncate, libc::ENOMEM),
    (libc::SYS_fcntl, libc::EPERM),
    (libc::SYS_openat, libc::EMFILE),
    (libc::SYS_read, libc::EIO),
    (libc::SYS_pread64, libc::EIO),
    (libc::SYS_write, libc::ENOSPC),
    (libc::SYS_pwrite64, libc::ENOSPC),
    (libc::SYS_sigaltstack, libc::ENOMEM),
    (libc::SYS_timer_create, libc::EAGAIN),
    (libc::SYS_timer_settime, libc::EINVAL),
    (libc::SYS_membarrier, libc::EPERM),
];

const LOG: usize = 32;

/// Which of the [`FALLIBLE`] calls fail; they are numbered from 0.
#[derive(Clone, Copy, Debug)]
pub enum Fail {
    None,
    /// This one.
    At(usize),
    /// This one and all that follow.
    From(usize),
}

thread_local! {
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    /// All calls while watching, and the first of them.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static NUMBERS: Cell<[i64; LOG]> = const { Cell::new([0; LOG]) };
    /// Of [`FALLIBLE`]: calls so far, which ones are to fail, and the first that has failed.
    static FALLIBLE_CALLS: Cell<usize> = const { Cell::new(0) };
    static FAIL: Cell<Fail> = const { Cell::new(Fail::None) };
    static FAILED: Cell<i64> = const { Cell::new(-1) };
}

extern "C" fn on_call(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the interrupted context.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let number = registers[libc::REG_RAX as usize];
    let argument = |register: i32| registers[register as usize];
    let arguments = [
        argument(libc::REG_RDI),
        argument(libc::REG_RSI),
        argument(libc::REG_RDX),
        argument(libc::REG_R10),
        argument(libc::REG_R8),
        argument(libc::REG_R9),
    ];
    let answer = match fails(number) {
        Some(code) => -i64::from(code),
        None => pass(number, arguments, context),
    };
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
}

/// Notes a call, and answers with what it is to fail.
fn fails(number: i64) -> Option<i32> {
    if !WATCHING.get() {
        return None;
    }
    let count = CALLS.get();
    CALLS.set(count + 1);
    let mut numbers = NUMBERS.get();
    if let Some(place) = numbers.get_mut(count) {
        *place = number;
        NUMBERS.set(numbers);
    }
    let (_, code) = FALLIBLE.iter().find(|(other, _)| *other == number)?;
    let index = FALLIBLE_CALLS.get();
    FALLIBLE_CALLS.set(index + 1);
    let fails = match FAIL.get() {
        Fail::None => false,
        Fail::At(at) => index == at,
        Fail::From(from) => index >= from,
    };
    fails.then(|| {
        if FAILED.get() < 0 {
            FAILED.set(number);
        }
        *code
    })
}

fn pass(number: i64, a: [i64; 6], context: &mut libc::ucontext_t) -> i64 {
    // SAFETY: the call that the program wanted to make, with its own arguments.
    let answer = unsafe { lucet_test_call(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    let kernel_set_bytes = 8;
    match number {
        // The return from the handler puts mask and alternate stack back: to those that have just been set.
        libc::SYS_rt_sigprocmask => {
            // SAFETY: asks for the mask, which is written to the context.
            unsafe {
                lucet_test_call(
                    libc::SYS_rt_sigprocmask,
                    i64::from(libc::SIG_BLOCK),
                    0,
                    (&raw mut context.uc_sigmask) as i64,
                    kernel_set_bytes,
                    0,
                    0,
                );
            }
        }
        libc::SYS_sigaltstack => {
            // SAFETY: asks for the alternate stack, which is written to the context.
            unsafe {
                let stack = (&raw mut context.uc_stack) as i64;
                lucet_test_call(libc::SYS_sigaltstack, 0, stack, 0, 0, 0, 0);
            }
        }
        _ => {}
    }
    answer
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Skips the next statement unless the loaded word is `k`.
fn if_equal(k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k,
    }
}

/// Has every call of this thread trap, from here on.
fn install_filter() {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let allow = statement(RETURN, libc::SECCOMP_RET_ALLOW);
    let own = lucet_test_call_end as *const () as u64;
    // Offsets of struct seccomp_data: number 0, instruction pointer 8.
    let mut program = vec![
        statement(LOAD, 8),
        libc::sock_filter {
            jf: 3,
            ..if_equal(own as u32)
        },
        statement(LOAD, 12),
        if_equal((own >> 32) as u32),
        allow,
        statement(LOAD, 0),
    ];
    for number in [
        libc::SYS_rt_sigreturn,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_clone,
        libc::SYS_clone3,
    ] {
        program.push(if_equal(number as u32));
        program.push(allow);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_TRAP));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: zeros are a sigaction; the handler has the three arguments that SA_SIGINFO passes.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_call as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        assert_eq!(
            libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()),
            0
        );
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filter = &raw const filter;
        let installed = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, filter);
        assert_eq!(installed, 0, "this test needs seccomp filters");
    }
}

/// What a watched piece of code did.
#[derive(Clone, Debug)]
pub struct Watched<T> {
    pub result: T,
    /// All its system calls.
    pub calls: usize,
    /// The numbers of the first of them.
    pub numbers: Vec<i64>,
    /// Those of [`FALLIBLE`].
    pub fallible: usize,
    /// The number of the call that has been failed.
    pub failed: Option<i64>,
}

/// Runs code on this thread, which must be [`watched`]'s, watches it, and has calls fail.
pub fn watch<T>(fail: Fail, body: impl FnOnce() -> T) -> Watched<T> {
    CALLS.set(0);
    FALLIBLE_CALLS.set(0);
    FAILED.set(-1);
    FAIL.set(fail);
    WATCHING.set(true);
    let result = body();
    stop();
    let calls = CALLS.get();
    Watched {
        result,
        calls,
        numbers: NUMBERS.get()[..calls.min(LOG)].to_vec(),
        fallible: FALLIBLE_CALLS.get(),
        failed: (FAILED.get() >= 0).then(|| FAILED.get()),
    }
}

/// From here on nothing is watched, and nothing fails.
pub fn stop() {
    WATCHING.set(false);
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs code on a thread whose calls can be watched. Panics there are this thread's.
pub fn watched(body: impl FnOnce() + Send + 'static) {
    let (sender, receiver): (Sender<std::thread::Result<()>>, Receiver<_>) = channel();
    let job: Job = Box::new(body);
    std::thread::spawn(move || {
        install_filter();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        let _ = sender.send(done);
        loop {
            std::thread::park();
        }
    });
    if let Err(panic) = receiver.recv().expect("the thread answers") {
        std::panic::resume_unwind(panic);
    }
}
