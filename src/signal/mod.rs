//! Faults: which signals are a guest's doing, and how the rest reach the host.
//!
//! ```text
//!   install    puts the handlers in place, once a process      altstack   the stack they run on
//!   handler    runs when a signal comes                        classify   decides, purely
//!   forward    hands the host what is not ours                 stop      the signal by which guests are stopped
//! ```
//!
//! The rules, what a host must do, and what is not promised: `docs/signals.md`.

pub(crate) mod altstack;
pub mod classify;
mod forward;
mod handler;
mod install;
pub(crate) mod stop;

pub use handler::handle;
pub use install::{
    HOST, ONSTACK, check, choose_stop_signal, handler_on_guest_stacks, install, remove, stop_signal,
};

use libc::c_int;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The signals that guests cause.
pub const SIGNALS: [c_int; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL];

/// Faults of guest code that correct guest code cannot have, since the process began. All were forwarded.
pub static ANOMALIES: AtomicU64 = AtomicU64::new(0);
/// Signals of the host's that were lost, because their handler has no `SA_ONSTACK` and the guest that it interrupted
/// had too little stack left.
pub static LOST_SIGNALS: AtomicU64 = AtomicU64::new(0);

/// Whether guests may run: the handlers are installed, or the host has said that it handles the signals itself.
pub fn installed() -> bool {
    install::MODE.load(Ordering::Acquire) != install::NOT_INSTALLED
}

fn is_delegated() -> bool {
    install::MODE.load(Ordering::Acquire) == install::DELEGATED
}

/// `AT_MINSIGSTKSZ` of the auxiliary vector.
const AUXILIARY_FRAME_BYTES: libc::c_ulong = 51;
/// What the kernel pushes where it does not say: a frame with AVX-512 state is smaller.
const FRAME_BYTES_UNKNOWN: usize = 4096;

/// The most bytes that the kernel pushes for a signal frame. Async-signal-safe.
pub(crate) fn frame_bytes() -> usize {
    static KNOWN: AtomicUsize = AtomicUsize::new(0);
    let known = KNOWN.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: reads a constant of the process.
    let asked = unsafe { libc::getauxval(AUXILIARY_FRAME_BYTES) } as usize;
    let bytes = if asked == 0 {
        FRAME_BYTES_UNKNOWN
    } else {
        asked
    };
    KNOWN.store(bytes, Ordering::Relaxed);
    bytes
}
