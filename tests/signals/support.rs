//! A process for each test, and handlers that write down what they see.

use libc::{c_int, c_void, sigaction, siginfo_t};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

const CHILD: &str = "LUCET_TEST_IN_CHILD";

/// Runs `body` in a process of its own, in which nobody handles our signals yet.
pub fn in_child(test: &str, body: fn()) -> ExitStatus {
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
            // The Rust runtime has handlers of its own, which C hosts do not have.
            set(signal, libc::SIG_DFL, 0, &[]);
        }
        no_core_files();
        body();
        // The other end asks for this number: a child that never came here is not taken for a success.
        std::process::exit(DONE);
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .expect("this program starts");
    if output.status.code() != Some(DONE) {
        let text = String::from_utf8_lossy(&output.stderr);
        eprintln!("{test}: {}\n{text}", output.status);
    }
    output.status
}

const DONE: i32 = 77;

/// The body must come to its end.
pub fn passes(test: &str, body: fn()) {
    assert_eq!(in_child(test, body).code(), Some(DONE));
}

/// The body must die of a signal.
pub fn dies_of(signal: c_int, test: &str, body: fn()) {
    let status = in_child(test, body);
    assert_eq!(status.signal(), Some(signal), "{status}");
}

fn no_core_files() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a valid limit.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Sets an action.
pub fn set(signal: c_int, handler: usize, flags: c_int, mask: &[c_int]) {
    // SAFETY: zeros are a valid action.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    for blocked in mask {
        // SAFETY: a valid set.
        unsafe { libc::sigaddset(&mut action.sa_mask, *blocked) };
    }
    // SAFETY: handlers passed here are handlers of the kind that `flags` says.
    let answer = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    assert_eq!(answer, 0);
}

/// Handler, flags and mask of a signal.
pub fn get(signal: c_int) -> (usize, c_int, Vec<c_int>) {
    // SAFETY: zeros are a valid action.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks.
    let answer = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    assert_eq!(answer, 0);
    // The C library's own flag, SA_RESTORER.
    (
        action.sa_sigaction,
        action.sa_flags & !0x400_0000,
        members(&action.sa_mask),
    )
}

fn members(set: &libc::sigset_t) -> Vec<c_int> {
    // SAFETY: a valid set and valid numbers.
    (1..=64)
        .filter(|signal| unsafe { libc::sigismember(set, *signal) } == 1)
        .collect()
}

/// The calling thread's blocked signals.
pub fn blocked() -> Vec<c_int> {
    // SAFETY: zeros are the empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: only asks.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set) };
    members(&set)
}

/// Blocks signals on the calling thread.
pub fn block(signals: &[c_int]) {
    // SAFETY: zeros are the empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in signals {
        // SAFETY: a valid set.
        unsafe { libc::sigaddset(&mut set, *signal) };
    }
    // SAFETY: a valid set.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
}

/// How often [`repair`] or [`note`] ran.
pub static CALLS: AtomicUsize = AtomicUsize::new(0);
/// `si_code`, `si_addr`, the blocked signals and the stack as the latest handler saw them.
pub static CODE: AtomicI32 = AtomicI32::new(0);
pub static ADDRESS: AtomicUsize = AtomicUsize::new(0);
pub static MASK: AtomicU64 = AtomicU64::new(0);
pub static STACK: AtomicUsize = AtomicUsize::new(0);
pub static ERRNO: AtomicI32 = AtomicI32::new(0);
/// The page that [`repair`] makes accessible.
pub static PAGE: AtomicUsize = AtomicUsize::new(0);

fn observe() {
    let here = 0u8;
    STACK.store(&raw const here as usize, Ordering::Relaxed);
    // SAFETY: always valid.
    ERRNO.store(unsafe { *libc::__errno_location() }, Ordering::Relaxed);
    let mut bits = 0u64;
    // SAFETY: the kernel writes 8 bytes.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            0usize,
            &raw mut bits,
            8usize,
        )
    };
    MASK.store(bits, Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn open_page() {
    let page = PAGE.load(Ordering::Relaxed);
    // SAFETY: the page of `inaccessible_page`.
    unsafe {
        libc::mprotect(
            page as *mut c_void,
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
        )
    };
}

/// A handler with SA_SIGINFO that makes the access succeed, so that the program goes on.
pub extern "C" fn repair(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the handler's own siginfo.
    let info = unsafe { &*info };
    CODE.store(info.si_code, Ordering::Relaxed);
    // SAFETY: a fault's siginfo.
    ADDRESS.store(unsafe { info.si_addr() } as usize, Ordering::Relaxed);
    observe();
    open_page();
}

/// The same without SA_SIGINFO.
pub extern "C" fn repair_plain(_: c_int) {
    observe();
    open_page();
}

/// A handler with SA_SIGINFO that only writes down what it sees.
pub extern "C" fn note(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the handler's own siginfo.
    CODE.store(unsafe { (*info).si_code }, Ordering::Relaxed);
    observe();
}

pub const REPAIR: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = repair;
pub const REPAIR_PLAIN: extern "C" fn(c_int) = repair_plain;
pub const NOTE: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = note;

/// A fresh page that must not be touched, known to [`repair`].
pub fn inaccessible_page() -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    PAGE.store(page as usize, Ordering::Relaxed);
    page.cast()
}

/// Writes to an address, whatever that leads to.
pub fn touch(address: *mut u8) {
    // SAFETY: a test that calls this wants the fault.
    unsafe { address.write_volatile(1) };
}

/// The latest sentence of the library on this thread.
pub fn sentence() -> String {
    // SAFETY: a NUL-terminated sentence.
    unsafe { std::ffi::CStr::from_ptr(lucet::error::last()) }
        .to_string_lossy()
        .into_owned()
}
