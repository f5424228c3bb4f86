//! What a thread needs before it can run guests: an alternate signal stack, and the three signals unblocked.
//! A fault while its signal is blocked would kill the process.
//!
//! Invariants: `context::runner` is set only while the thread's preparation stands; looking at it is a few loads. What was
//! prepared is undone by [`detach`] or at the thread's end. In the child of a fork the thread that called it is still prepared, but for
//! its number and its timer.
//!
//! Not here: whether the handlers are installed; that is the region's concern.

use crate::error::{Error, Result, Status, error};
use crate::local::PerThread;
use crate::running::{self, Runner};
use crate::signal::altstack::{self, Afterwards, Provided};
use crate::signal::{self, SIGNALS};
use crate::{context, directory, process};
use libc::sigset_t;
use std::cell::Cell;

/// What attaching did to this thread.
struct Attachment {
    /// `None` once taken back.
    stack: Option<Provided>,
    /// Those of our signals that were blocked before.
    blocked: [bool; OURS],
    /// Who this thread is to killers and timers.
    runner: Option<&'static Runner>,
}

static ATTACHMENT: PerThread<Attachment> = PerThread::new();

thread_local! {
    /// Whether [`attach`] is at work.
    static ATTACHING: Cell<bool> = const { Cell::new(false) };
    /// This thread's stack: its lowest address and one past the highest, 0 when unknown; `None` before anybody asked.
    static STACK: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Prepares this thread if it is not prepared. To be called before each entry into a guest.
///
/// # Errors
///
/// `NoMemory`; `System`; `Unsupported` on threads with shadow stacks; `BadState` in a signal handler on the alternate stack.
#[inline]
pub fn ensure_attached() -> Result<&'static Runner> {
    match runner() {
        Some(runner) if runner.is_of(process::current()) => Ok(runner),
        Some(runner) => {
            runner.after_fork(signal::stop_signal())?;
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
    // SAFETY: always a valid location for the calling thread.
    let errno = unsafe { *libc::__errno_location() };
    let attached = attach_thread();
    // The host's, also where the kernel does not know what it is asked.
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    attached
}

fn attach_thread() -> Result<&'static Runner> {
    refuse_shadow_stacks()?;
    if ATTACHING.replace(true) {
        return Err(error!(
            Status::BadState,
            "this thread is being prepared for guests already"
        ));
    }
    let prepared = prepare();
    ATTACHING.set(false);
    let runner = prepared?;
    context::set_runner(std::ptr::from_ref(runner) as usize);
    Ok(runner)
}

fn prepare() -> Result<&'static Runner> {
    let mut attachment = Attachment {
        stack: Some(altstack::provide()?),
        blocked: [false; OURS],
        runner: None,
    };
    // On failure the drop of `attachment` gives the stack back.
    let runner = running::take(signal::stop_signal())?;
    attachment.runner = Some(runner);
    let blocked = unblock()?;
    attachment.blocked = blocked;
    if !ATTACHMENT.set(attachment) {
        block(&blocked);
        return Err(Error::no_memory("a thread that runs guests"));
    }
    Ok(runner)
}

/// Undoes the preparation, for a thread that goes on without guests: alternate stack and signal mask are as they were.
/// Without effect on a thread that is not prepared, and in a host function, whose guest needs all of it.
pub fn detach() {
    let (low, high) = host_stack();
    if directory::blocks().any(|block| block.runs_on(low..high)) {
        return;
    }
    context::set_runner(0);
    let Some(mut attachment) = ATTACHMENT.take() else {
        return;
    };
    block(&attachment.blocked);
    if let Some(runner) = attachment.runner.take() {
        running::give_back(runner);
    }
    if let Some(stack) = attachment.stack.take() {
        stack.take_back(Afterwards::Previous);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(runner) = self.runner.take() {
            context::set_runner(0);
            running::orphan(runner);
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

/// The signals that guests need: [`SIGNALS`] and the stop signal.
const OURS: usize = SIGNALS.len() + 1;

fn ours() -> impl Iterator<Item = i32> {
    SIGNALS.into_iter().chain([signal::stop_signal()])
}

/// The set of those that are marked.
fn set_of(marked: &[bool; OURS]) -> sigset_t {
    let mut set = empty_set();
    for (signal, _) in ours().zip(marked).filter(|(_, marked)| **marked) {
        // SAFETY: a valid set; a number that is none is refused.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    set
}

/// Blocks those that are marked.
fn block(marked: &[bool; OURS]) {
    // SAFETY: a valid set.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set_of(marked), std::ptr::null_mut()) };
}

/// Unblocks our signals and gives those that were blocked.
fn unblock() -> Result<[bool; OURS]> {
    let mut before = empty_set();
    // SAFETY: valid sets of ours.
    let failure =
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set_of(&[true; OURS]), &mut before) };
    if failure != 0 {
        return Err(error!(
            Status::System,
            "pthread_sigmask failed with error {failure}"
        ));
    }
    let mut blocked = [false; OURS];
    for (signal, blocked) in ours().zip(&mut blocked) {
        // SAFETY: a valid set; a number that is none is refused.
        *blocked = unsafe { libc::sigismember(&before, signal) } == 1;
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
    host_stack().0
}

/// Lowest address and one past the highest of this thread's own stack; zeros when unknown.
pub fn host_stack() -> (usize, usize) {
    if let Some(known) = STACK.get() {
        return known;
    }
    let found = query_stack().unwrap_or((0, 0));
    STACK.set(Some(found));
    found
}

#[cold]
fn query_stack() -> Option<(usize, usize)> {
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
    let low = low as usize;
    (answered && guarded).then(|| (low.saturating_add(guard), low.saturating_add(size)))
}
