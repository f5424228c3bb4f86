//! Installing the handlers, taking them out, and looking whether they are still there.
//!
//! Invariants: the process has at most one set of our handlers per copy of the library; installing and removing are
//! serialised; either all three signals are ours or none. Nothing here runs in a signal handler.

use super::forward::{default_action, remember, remembered};
use super::{SIGNALS, frame_bytes, handler, is_delegated};
use crate::error::{Error, Result, Status, error};
use libc::{c_int, sigaction};
use std::ffi::CStr;
use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// `install`: the host's own handlers call [`super::handle`]; nothing is installed.
pub const HOST: u32 = 1;
/// `install`: gives every handler that the host has set the flag `SA_ONSTACK`.
pub const ONSTACK: u32 = 2;

pub(super) const NOT_INSTALLED: u32 = 0;
pub(super) const INSTALLED: u32 = 1;
pub(super) const DELEGATED: u32 = 2;

/// The stop signal; 0: none yet, or the host has chosen none for its own handlers. Chosen once in a process.
static STOP: AtomicI32 = AtomicI32::new(0);
/// What [`choose_stop_signal`] was given.
static WANTED: AtomicI32 = AtomicI32::new(0);

pub(super) static MODE: AtomicU32 = AtomicU32::new(NOT_INSTALLED);
static CHANGING: Mutex<()> = Mutex::new(());

/// Highest signal number of Linux.
const LAST_SIGNAL: c_int = 64;

/// The name of one of [`SIGNALS`].
pub(super) fn name(signal: c_int) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        signal if signal == stop_signal() => "the stop signal",
        _ => "a signal",
    }
}

fn own_address() -> usize {
    handler::on_signal as *const () as usize
}

fn own_action() -> sigaction {
    let mut action = default_action();
    action.sa_sigaction = own_address();
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    for signal in SIGNALS.into_iter().chain([stop_signal()]) {
        // SAFETY: a valid set and valid signal numbers; 0 is refused.
        unsafe { libc::sigaddset(&mut action.sa_mask, signal) };
    }
    action
}

fn current(signal: c_int) -> Result<sigaction> {
    let mut action = default_action();
    // SAFETY: only asks; the result is written to a sigaction of ours.
    let failed = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) } != 0;
    if failed {
        Err(Error::system("sigaction"))
    } else {
        Ok(action)
    }
}

/// Sets an action and gives the one before.
fn replace(signal: c_int, action: &sigaction) -> Result<sigaction> {
    let mut before = default_action();
    // SAFETY: both are valid actions; the handler in `action` is ours or one that was installed for this signal before.
    let failed = unsafe { libc::sigaction(signal, action, &mut before) } != 0;
    if failed {
        Err(Error::system("sigaction"))
    } else {
        Ok(before)
    }
}

/// Installs the handlers, once a process: more calls with the same choice of [`HOST`] do nothing but apply
/// [`ONSTACK`] to the handlers that the host has set since.
///
/// # Errors
///
/// `BadArgument` for unknown flags; `BadState` when installed before with the other choice of [`HOST`]; `System`.
pub fn install(flags: u32) -> Result<()> {
    if flags & !(HOST | ONSTACK) != 0 {
        return Err(error!(
            Status::BadArgument,
            "unknown flags for signals: {flags:#x}"
        ));
    }
    let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = if flags & HOST != 0 {
        DELEGATED
    } else {
        INSTALLED
    };
    let mode = MODE.load(Ordering::Acquire);
    if mode != NOT_INSTALLED && mode != wanted {
        return Err(error!(
            Status::BadState,
            "signals are installed already, {}",
            if is_delegated() {
                "to be handled by the host"
            } else {
                "with the library's own handlers"
            }
        ));
    }
    // Read once here, so that handlers find it.
    frame_bytes();
    if mode == NOT_INSTALLED && wanted == INSTALLED {
        take_all()?;
    }
    if mode == NOT_INSTALLED && wanted == DELEGATED {
        STOP.store(WANTED.load(Ordering::Acquire), Ordering::Release);
    }
    MODE.store(wanted, Ordering::Release);
    if flags & ONSTACK != 0 {
        put_host_handlers_on_alternate_stacks()?;
    }
    Ok(())
}

/// The signal by which guests are stopped; 0: there is none. Async-signal-safe.
pub fn stop_signal() -> c_int {
    STOP.load(Ordering::Acquire)
}

/// Chooses the stop signal, before [`install`]; 0: the library chooses.
///
/// # Errors
///
/// `BadArgument`: not a real-time signal, or one that the C library keeps to itself; `BadState`: one has been chosen already.
pub fn choose_stop_signal(signal: c_int) -> Result<()> {
    let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    if signal != 0 && !(libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&signal) {
        return Err(error!(
            Status::BadArgument,
            "the stop signal must be a real-time one, {} to {}, and {signal} is not",
            libc::SIGRTMIN(),
            libc::SIGRTMAX()
        ));
    }
    let chosen = stop_signal();
    if chosen != 0 && signal != chosen {
        return Err(error!(
            Status::BadState,
            "guests are stopped by signal {chosen} already: choose another before lucet_signals_install"
        ));
    }
    WANTED.store(signal, Ordering::Release);
    Ok(())
}

/// Finds a stop signal that nobody uses and takes it. One that was taken before is taken again.
fn take_stop_signal() -> Result<()> {
    let wanted = [stop_signal(), WANTED.load(Ordering::Acquire)]
        .into_iter()
        .find(|signal| *signal != 0);
    let found = match wanted {
        Some(signal) => is_free(signal).then_some(signal),
        None => (libc::SIGRTMIN()..=libc::SIGRTMAX())
            .rev()
            .find(|signal| is_free(*signal)),
    };
    let Some(signal) = found else {
        return Err(error!(
            Status::BadState,
            "the signal that is to stop guests has a handler of the host's: choose another by lucet_signals_choose_stop"
        ));
    };
    STOP.store(signal, Ordering::Release);
    replace(signal, &own_action()).map(|_| ())
}

fn is_free(signal: c_int) -> bool {
    current(signal).is_ok_and(|action| {
        let handler = action.sa_sigaction;
        // Ignored is what we leave behind.
        handler == libc::SIG_DFL
            || (handler == libc::SIG_IGN && signal == stop_signal())
            || handler == own_address()
    })
}

/// Late stop signals and timers that are still set must not end the process.
fn ignore_stop_signal() {
    let signal = stop_signal();
    if signal != 0 && current(signal).is_ok_and(|action| action.sa_sigaction == own_address()) {
        let mut ignored = default_action();
        ignored.sa_sigaction = libc::SIG_IGN;
        // It is our own signal: nothing is to be put back.
        let _ = replace(signal, &ignored);
    }
}

/// Takes all signals, or none.
fn take_all() -> Result<()> {
    take_stop_signal()?;
    for (done, signal) in SIGNALS.into_iter().enumerate() {
        if let Err(problem) = take(signal) {
            for taken in SIGNALS.into_iter().take(done) {
                // The first problem is the one to report.
                let _ = replace(taken, &remembered(taken));
            }
            ignore_stop_signal();
            return Err(problem);
        }
    }
    Ok(())
}

fn take(signal: c_int) -> Result<()> {
    // Remembered before ours can run, and again if somebody changed it in between.
    let expected = current(signal)?;
    keep(signal, &expected);
    let before = replace(signal, &own_action())?;
    if before.sa_sigaction != expected.sa_sigaction {
        keep(signal, &before);
    }
    Ok(())
}

/// Remembers the host's action. Ours may be in place from before, when a host put back what it had once read;
/// forwarding to ourselves would never end.
fn keep(signal: c_int, action: &sigaction) {
    if action.sa_sigaction != own_address() {
        remember(signal, action);
    }
}

/// Handlers without `SA_ONSTACK` run on the stack of the guest they interrupt, where there may be no room for them.
fn put_host_handlers_on_alternate_stacks() -> Result<()> {
    for signal in 1..=LAST_SIGNAL {
        // The C library keeps some numbers to itself and refuses to tell.
        let Ok(mut action) = current(signal) else {
            continue;
        };
        if runs_on_guest_stacks(&action) {
            action.sa_flags |= libc::SA_ONSTACK;
            replace(signal, &action)?;
        }
    }
    Ok(())
}

/// A signal whose handler would run on the stack of the guest that it interrupts.
pub fn handler_on_guest_stacks() -> Option<c_int> {
    (1..=LAST_SIGNAL).find(|signal| {
        // The C library keeps some numbers to itself and refuses to tell.
        current(*signal).is_ok_and(|action| runs_on_guest_stacks(&action))
    })
}

fn runs_on_guest_stacks(action: &sigaction) -> bool {
    let handled = !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    handled && action.sa_flags & libc::SA_ONSTACK == 0
}

/// Puts back what was there before [`install`]. Flags that [`ONSTACK`] added stay. No guest may be running.
///
/// # Errors
///
/// `NoSignals` when nothing is installed; `BadState`, naming the signal, when somebody else has installed a handler
/// since: then nothing is changed.
pub fn remove() -> Result<()> {
    let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    match MODE.load(Ordering::Acquire) {
        NOT_INSTALLED => return Err(not_installed()),
        DELEGATED => {}
        _ => {
            for signal in SIGNALS {
                own(signal)?;
            }
            for signal in SIGNALS {
                replace(signal, &remembered(signal))?;
            }
            ignore_stop_signal();
        }
    }
    MODE.store(NOT_INSTALLED, Ordering::Release);
    Ok(())
}

/// Looks whether the handlers are still in place; when the host handles the signals itself, whether it can.
///
/// # Errors
///
/// `NoSignals` when nothing is installed; `BadState`, naming the signal and what took it.
pub fn check() -> Result<()> {
    let _one = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let look = match MODE.load(Ordering::Acquire) {
        NOT_INSTALLED => return Err(not_installed()),
        DELEGATED => delegated,
        _ => own,
    };
    let stop = stop_signal();
    SIGNALS.into_iter().try_for_each(look)?;
    if stop == 0 { Ok(()) } else { look(stop) }
}

fn not_installed() -> Error {
    error!(
        Status::NoSignals,
        "lucet_signals_install has not been called"
    )
}

/// Checks that the signal is ours.
fn own(signal: c_int) -> Result<()> {
    let action = current(signal)?;
    let name = name(signal);
    if action.sa_sigaction != own_address() {
        let taker = Taker(action.sa_sigaction);
        return Err(error!(
            Status::BadState,
            "{name} no longer reaches the library: it has {taker}"
        ));
    }
    if action.sa_flags & libc::SA_ONSTACK == 0 {
        return Err(error!(
            Status::BadState,
            "the library's handler of {name} has lost its flag SA_ONSTACK"
        ));
    }
    Ok(())
}

/// Checks that the host has a handler that can work.
fn delegated(signal: c_int) -> Result<()> {
    let action = current(signal)?;
    let name = name(signal);
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        let taker = Taker(action.sa_sigaction);
        return Err(error!(
            Status::BadState,
            "the host handles signals itself, but {name} has {taker}"
        ));
    }
    if action.sa_flags & libc::SA_ONSTACK == 0 || action.sa_flags & libc::SA_SIGINFO == 0 {
        return Err(error!(
            Status::BadState,
            "the host's handler of {name} needs the flags SA_ONSTACK and SA_SIGINFO"
        ));
    }
    Ok(())
}

/// An action in words: the handler's name and file where the dynamic linker knows them.
struct Taker(usize);

impl fmt::Display for Taker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            libc::SIG_DFL => return out.write_str("its default action"),
            libc::SIG_IGN => return out.write_str("been set to be ignored"),
            _ => {}
        }
        write!(out, "a handler at {:#x}", self.0)?;
        // SAFETY: a Dl_info of zeros is a valid place for the answer.
        let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: looks the address up without following it.
        if unsafe { libc::dladdr(self.0 as *const _, &mut found) } == 0 {
            return Ok(());
        }
        for (before, text) in [(", ", found.dli_sname), (" in ", found.dli_fname)] {
            if text.is_null() {
                continue;
            }
            // SAFETY: dladdr gives NUL-terminated names that live as long as the object is loaded.
            if let Ok(words) = unsafe { CStr::from_ptr(text) }.to_str() {
                write!(out, "{before}{words}")?;
            }
        }
        Ok(())
    }
}
