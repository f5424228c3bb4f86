//! What a thread needs before it can run guests: an alternate signal stack, and the three signals unblocked.
//! A fault while its signal is blocked would kill the process.
//!
//! Invariants: `context::runner` is set only while the thread's preparation stands; looking at it is a few loads. What was
//! prepared is undone by [`detach`] or at the thread's end. In the child of a fork the thread that called it is still prepared, but for
//! its number and its timer.
//!
//! Not here: whether the handlers are installed; that is the region's concern.

use crate::error::{Result, Status, error};
use crate::running::{self, Runner};
use crate::signal::altstack::{self, Afterwards, Provided};
use crate::signal::{self, SIGNALS};
use crate::{context, process};
use libc::sigset_t;
use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

/// What attaching did to this thread.
struct Attachment {
    /// `None` once taken back.
    stack: Option<Provided>,
    /// Those of our signals that were blocked before.
    blocked: sigset_t,
    /// Who this thread is to killers and timers.
    runner: Option<&'static Runner>,
}

thread_local! {
    static ATTACHMENT: RefCell<Option<Attachment>> = const { RefCell::new(None) };
    /// Lowest address of this thread's stack, 0 when unknown, `None` before anybody asked.
    static STACK_LOW: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Prepares this thread if it is not prepared. To be called before each entry into a guest.
///
/// # Errors
///
/// `NoMemory`; `System`; `Unsupported` on threads with shadow stacks; `BadState` in a signal handler on the alternate stack
/// and while the thread is ending.
#[inline]
pub fn ensure_attached() -> Result<&'static Runner> {
    match runner() {
        Some(runner) if runner.process.load(Ordering::Relaxed) == process::current() => Ok(runner),
        Some(runner) => {
            runner.after_fork(signal::stop_signal());
            Ok(runner)
        }
        None => attach(),
    }
}

/// This thread, if it is prepared.
pub fn runner() -> Option<&'static Runner> {
    // SAFETY: 0, or what `attach` has stored.
    unsafe { running::at(context::runner()) }
}

#[cold]
fn attach() -> Result<&'static Runner> {
    refuse_shadow_stacks()?;
    let ending = |_| {
        error!(
            Status::BadState,
            "this thread is ending: its guests cannot run any more"
        )
    };
    ATTACHMENT
        .try_with(|slot| {
            let Ok(mut slot) = slot.try_borrow_mut() else {
                return Err(error!(
                    Status::BadState,
                    "this thread is being prepared for guests already"
                ));
            };
            let stack = altstack::provide()?;
            let mut attachment = Attachment {
                stack: Some(stack),
                blocked: empty_set(),
                runner: None,
            };
            // On failure the drop of `attachment` gives the stack back.
            let runner = running::take(signal::stop_signal())?;
            attachment.runner = Some(runner);
            attachment.blocked = unblock()?;
            *slot = Some(attachment);
            context::set_runner(std::ptr::from_ref(runner) as usize);
            Ok(runner)
        })
        .unwrap_or_else(|at_exit| Err(ending(at_exit)))
}

/// Undoes the preparation, for a thread that goes on without guests: alternate stack and signal mask are as they were.
/// Without effect on a thread that is not prepared. Not to be called from a host function.
pub fn detach() {
    context::set_runner(0);
    // At the thread's end the destructor has done it.
    let _ = ATTACHMENT.try_with(|slot| {
        let Some(mut attachment) = slot.try_borrow_mut().ok().and_then(|mut slot| slot.take())
        else {
            return;
        };
        // SAFETY: a valid set; adds the signals that were blocked before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &attachment.blocked, std::ptr::null_mut())
        };
        if let Some(runner) = attachment.runner.take() {
            running::give_back(runner);
        }
        if let Some(stack) = attachment.stack.take() {
            stack.take_back(Afterwards::Previous);
        }
    });
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(runner) = self.runner.take() {
            context::set_runner(0);
            running::give_back(runner);
        }
        if let Some(stack) = self.stack.take() {
            context::set_runner(0);
            stack.take_back(Afterwards::Nothing);
        }
    }
}

fn empty_set() -> sigset_t {
    // SAFETY: zeros are the empty set.
    unsafe { std::mem::zeroed() }
}

/// Unblocks our signals and gives those that were blocked.
fn unblock() -> Result<sigset_t> {
    let (mut ours, mut before, mut blocked) = (empty_set(), empty_set(), empty_set());
    let signals = || SIGNALS.into_iter().chain([signal::stop_signal()]);
    for signal in signals() {
        // SAFETY: a valid set; a number that is none is refused.
        unsafe { libc::sigaddset(&mut ours, signal) };
    }
    // SAFETY: valid sets of ours.
    let failure = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &ours, &mut before) };
    if failure != 0 {
        return Err(error!(
            Status::System,
            "pthread_sigmask failed with error {failure}"
        ));
    }
    for signal in signals() {
        // SAFETY: as above.
        if unsafe { libc::sigismember(&before, signal) } == 1 {
            // SAFETY: as above.
            unsafe { libc::sigaddset(&mut blocked, signal) };
        }
    }
    Ok(blocked)
}

/// `ARCH_SHSTK_STATUS` of `arch_prctl`.
const SHADOW_STACK_STATUS: libc::c_long = 0x5005;
/// The bit of its answer for shadow stacks.
const SHADOW_STACK: u64 = 1;

/// Leaving a guest abandons its frames. A shadow stack would keep them, and the next return of the host would
/// be taken for an attack.
fn refuse_shadow_stacks() -> Result<()> {
    let mut status = 0u64;
    // SAFETY: the kernel writes 8 bytes, or refuses.
    let answer =
        unsafe { libc::syscall(libc::SYS_arch_prctl, SHADOW_STACK_STATUS, &raw mut status) };
    if answer == 0 && status & SHADOW_STACK != 0 {
        return Err(error!(
            Status::Unsupported,
            "this thread has a shadow stack (CET), on which guests cannot be stopped; start the program with \
             GLIBC_TUNABLES=glibc.cpu.x86_shstk=off"
        ));
    }
    Ok(())
}

/// The lowest address of this thread's own stack that a host function may use, 0 when unknown. Says nothing
/// about a stack that the host has made itself and switched to.
pub fn host_stack_low() -> usize {
    if let Some(low) = STACK_LOW.get() {
        return low;
    }
    let low = query_stack().unwrap_or(0);
    STACK_LOW.set(Some(low));
    low
}

#[cold]
fn query_stack() -> Option<usize> {
    // SAFETY: zeros are a valid place for the answer.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: asks about the calling thread, which exists.
    if unsafe { libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) } != 0 {
        return None;
    }
    let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the attributes have just been filled in.
    let answered = unsafe { libc::pthread_attr_getstack(&attributes, &mut low, &mut size) } == 0;
    // SAFETY: as above.
    let guarded = unsafe { libc::pthread_attr_getguardsize(&attributes, &mut guard) } == 0;
    // SAFETY: as above, and not used afterwards.
    unsafe { libc::pthread_attr_destroy(&mut attributes) };
    // The guard counts as part of the stack in some versions of the C library: leaving it out is safe in all.
    (answered && guarded).then(|| (low as usize).saturating_add(guard))
}
