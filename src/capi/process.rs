//! What the library does to the process and its threads: signal handlers and alternate signal stacks.

use super::guard::{guarded, guarded_value};
use super::status::lucet_status;
use crate::{signal, thread};
use std::ffi::{c_int, c_void};

/// `lucet_signals_install`: the host installs handlers of its own and calls lucet_signal_handle in them; the library installs none.
pub const LUCET_SIGNALS_HOST: u32 = 1;
/// `lucet_signals_install`: adds SA_ONSTACK to every handler that the host has set, so that a signal which interrupts a guest does
/// not need room on the guest's stack.
pub const LUCET_SIGNALS_ONSTACK: u32 = 2;
const _: () =
    assert!(LUCET_SIGNALS_HOST == signal::HOST && LUCET_SIGNALS_ONSTACK == signal::ONSTACK);

/// Installs the handlers for SIGSEGV, SIGBUS and SIGILL that turn a guest's faults into traps, and one for the signal by which guests
/// are stopped, see lucet_signals_choose_stop. Other faults go to the handlers
/// that were there before, as if the library was not. Once per process, before the first region; again is no error. `flags` is 0
/// or some of LUCET_SIGNALS_*.
/// Errors: BAD_ARGUMENT: unknown flags; BAD_STATE: installed before with another choice of LUCET_SIGNALS_HOST, or the host has a handler
/// for the stop signal; SYSTEM. Any thread;
/// no other thread changes handlers meanwhile. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_signals_install(flags: u32) -> lucet_status {
    guarded(|| signal::install(flags))
}

/// Chooses the signal by which running guests are stopped: when they are killed and when their time is over. A real-time one; without
/// this call, or with 0, lucet_signals_install takes the highest that nobody handles. A host that handles signals itself
/// (LUCET_SIGNALS_HOST) must choose one here before, give it a handler like the others, with SA_RESTART, and call
/// lucet_signal_handle in it; else guests have no limits of time, and kills wait for host functions. Before lucet_signals_install;
/// the choice stays until the process ends. After lucet_signals_remove the signal is ignored.
/// Errors: BAD_ARGUMENT: not a real-time signal; BAD_STATE: another one is in use already. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_signals_choose_stop(signal: c_int) -> lucet_status {
    guarded(|| signal::choose_stop_signal(signal))
}

/// Puts the handlers back that were there before. No guest may run then or later. Errors: NO_SIGNALS: nothing is installed;
/// BAD_STATE: somebody has installed a handler since, another copy of this library for one, nothing has changed; SYSTEM. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_signals_remove() -> lucet_status {
    guarded(signal::remove)
}

/// Whether the handlers are still in place, for hosts that load other libraries. Another copy of this library in the process is somebody
/// else: it passes on what is not its own, so both work, but the copy that installed first answers BAD_STATE here until the other has
/// called lucet_signals_remove.
/// Errors: NO_SIGNALS: nothing is installed; BAD_STATE: somebody has installed a handler since; SYSTEM. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_signals_check() -> lucet_status {
    guarded(signal::check)
}

/// For handlers of the host: true if the signal was a guest's and has been dealt with: return from the handler at once. False: it
/// is the host's. Takes what a SA_SIGINFO handler is given: `siginfo_t *` and `ucontext_t *`. Async-signal-safe. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_signal_handle(
    signal: c_int,
    siginfo: *mut c_void,
    ucontext: *mut c_void,
) -> bool {
    if siginfo.is_null() || ucontext.is_null() {
        return false;
    }
    // SAFETY: the C contract of this function.
    unsafe { signal::handle(signal, siginfo.cast(), ucontext.cast()) }
}

/// Undoes what the thread's first run did: gives back its alternate signal stack and its timer, and blocks the library's signals again that
/// were blocked before. Stack and timer go by themselves when a thread ends; only needed by hosts that replace alternate stacks themselves, and for
/// threads that go on without guests. Does nothing in a host function on the thread's own stack; not to be called in one
/// on a stack that the host has made. Looks at every slot of the process. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_thread_detach() {
    let _ = guarded_value(|| {
        thread::detach();
        Ok(())
    });
}
