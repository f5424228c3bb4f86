//! Signals that are not ours: what the host had in place for them happens as if this library were not there.
//!
//! The previous action of each signal is kept in atomics, because handlers on other threads read it while a host
//! installs or removes. Runs inside signal handlers: no lock, no memory, no panic.
//!
//! Two differences from the kernel's own delivery remain and are documented for hosts: the previous handler runs on the
//! alternate stack even if it was installed without `SA_ONSTACK`, and `SA_RESTART` is always on.

use super::SIGNALS;
use super::classify::is_asynchronous;
use libc::{c_int, c_void, sigaction, siginfo_t, sigset_t, ucontext_t};
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// What was in place before us.
struct Previous {
    handler: AtomicUsize,
    flags: AtomicI32,
    mask: AtomicU64,
}

static PREVIOUS: [Previous; SIGNALS.len()] = [const {
    Previous {
        handler: AtomicUsize::new(libc::SIG_DFL),
        flags: AtomicI32::new(0),
        mask: AtomicU64::new(0),
    }
}; SIGNALS.len()];

type PlainHandler = extern "C" fn(c_int);
type InfoHandler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

fn previous(signal: c_int) -> Option<&'static Previous> {
    PREVIOUS
        .iter()
        .zip(SIGNALS)
        .find(|(_, number)| *number == signal)
        .map(|(previous, _)| previous)
}

/// Remembers the host's action.
pub(super) fn remember(signal: c_int, action: &sigaction) {
    if let Some(previous) = previous(signal) {
        previous.flags.store(action.sa_flags, Ordering::Relaxed);
        previous
            .mask
            .store(mask_bits(&action.sa_mask), Ordering::Relaxed);
        // Last: whoever sees the handler also sees what belongs to it.
        previous
            .handler
            .store(action.sa_sigaction, Ordering::Release);
    }
}

/// The remembered action, in the form that the kernel takes.
pub(super) fn remembered(signal: c_int) -> sigaction {
    let mut action = default_action();
    if let Some(previous) = previous(signal) {
        action.sa_sigaction = previous.handler.load(Ordering::Acquire);
        action.sa_flags = previous.flags.load(Ordering::Relaxed);
        set_mask_bits(&mut action.sa_mask, previous.mask.load(Ordering::Relaxed));
    }
    action
}

/// `SIG_DFL` without flags and mask.
pub(super) fn default_action() -> sigaction {
    // SAFETY: a sigaction of zeros is SIG_DFL with an empty mask, no flags and no restorer.
    unsafe { std::mem::zeroed() }
}

/// Signals 1 to 64 as bits, the only part of a set that Linux looks at.
pub(super) fn mask_bits(mask: &sigset_t) -> u64 {
    // SAFETY: a sigset_t is 128 bytes aligned to 8; its first word holds signals 1 to 64.
    unsafe { std::ptr::from_ref(mask).cast::<u64>().read() }
}

fn set_mask_bits(mask: &mut sigset_t, bits: u64) {
    // SAFETY: as in `mask_bits`.
    unsafe { std::ptr::from_mut(mask).cast::<u64>().write(bits) };
}

const fn bit(signal: c_int) -> u64 {
    1 << ((signal - 1) & 63)
}

/// Does what the host's action says.
///
/// # Safety
///
/// Called in a handler of `signal` with the arguments of that handler.
pub(super) unsafe fn to_previous(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(previous) = previous(signal) else {
        return;
    };
    let handler = previous.handler.load(Ordering::Acquire);
    let flags = previous.flags.load(Ordering::Relaxed);
    // SAFETY: by the caller's promise the siginfo of the running handler, if any.
    let code = unsafe { info.as_ref() }.map_or(libc::SI_USER, |info| info.si_code);
    match handler {
        libc::SIG_IGN if is_asynchronous(signal, code) => {}
        // The kernel ignores neither a fault: it would happen again and again.
        libc::SIG_DFL | libc::SIG_IGN => die(signal, info, code),
        handler => {
            if flags & libc::SA_RESETHAND != 0 {
                // The kernel resets the action before it calls the handler. If somebody else was faster, theirs counts.
                let _ = previous.handler.compare_exchange(
                    handler,
                    libc::SIG_DFL,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
            }
            let mask = previous.mask.load(Ordering::Relaxed);
            // SAFETY: the caller's promise.
            unsafe { call(handler, flags, mask, signal, info, context) };
        }
    }
}

/// Calls the host's handler with the signal mask that the kernel would have given it.
///
/// # Safety
///
/// `handler` is what the host had installed with `flags`; the rest are the running handler's arguments.
unsafe fn call(
    handler: usize,
    flags: c_int,
    mask: u64,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the context of the running handler; the kernel writes 8 bytes of uc_sigmask and no more.
    let interrupted = unsafe { context.cast::<ucontext_t>().as_ref() }
        .map(|context| mask_bits(&context.uc_sigmask));
    if let Some(interrupted) = interrupted {
        let own = if flags & libc::SA_NODEFER == 0 {
            bit(signal)
        } else {
            0
        };
        // Not undone afterwards: the return from our handler restores the interrupted mask.
        set_thread_mask(interrupted | mask | own);
    }
    if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the host gave this address to sigaction as a handler with SA_SIGINFO.
        let handler = unsafe { std::mem::transmute::<usize, InfoHandler>(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: the host gave this address to sigaction as a handler without SA_SIGINFO.
        let handler = unsafe { std::mem::transmute::<usize, PlainHandler>(handler) };
        handler(signal);
    }
}

/// Sets this thread's mask by the kernel's own interface: the C library's takes sets of 128 bytes, and filters
/// signals of its own that the interrupted mask may contain.
fn set_thread_mask(bits: u64) {
    // SAFETY: passes the address of 8 bytes and says so.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const bits,
            std::ptr::null_mut::<u64>(),
            size_of::<u64>(),
        )
    };
}

/// The default action of all our signals: the process ends, with a core file that shows the true place.
fn die(signal: c_int, info: *mut siginfo_t, code: c_int) {
    let action = default_action();
    // SAFETY: a valid action; the default handler is what the host would have had without us.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    // A fault happens again when this handler returns. What was sent, or comes from a signal frame that had no room, does
    // not: it is queued again, blocked until the handler returns.
    if is_asynchronous(signal, code) || code == libc::SI_KERNEL {
        send_again(signal, info);
    }
}

fn send_again(signal: c_int, info: *mut siginfo_t) {
    // SAFETY: these calls have no memory arguments.
    let (process, thread) = unsafe {
        (
            libc::syscall(libc::SYS_getpid),
            libc::syscall(libc::SYS_gettid),
        )
    };
    // SAFETY: the kernel reads the siginfo of the running handler, or refuses a null pointer.
    let queued =
        unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info) };
    if queued != 0 {
        // SAFETY: no memory arguments.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    }
}
