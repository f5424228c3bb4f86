//! Killing a guest from anywhere.
//!
//! A [`KillHandle`] names one *incarnation* of a slot: what is between a create or reset and the next reset or release. It is a
//! value, good in any thread and in signal handlers, and harmless when its guest is gone, because the bit that stops a guest, the
//! number of the incarnation and the reason are changed together.
//!
//! ```text
//!   guest's thread                       killer
//!   state = GUEST                        word |= KILL, if the incarnation is the one meant
//!   look at the word: leave?             look at the state: GUEST? then signal the thread
//!                                        else membarrier: after it, one of the two sees the other's store
//!                                        look again: GUEST? then signal the thread
//! ```
//!
//! The first look may see what is past: then the signal comes to a thread that looks at the word anyway. It spares guests that compute the
//! barrier, which interrupts every thread of the process, and takes as long as the signal.
//!
//! Guests pay for this with a plain store and a plain load. Nothing here takes a lock, allocates, or touches thread-local variables.

use super::{Handle, live};
use crate::control::{ControlBlock, state};
use crate::error::Result;
use crate::{directory, process, running, signal};
use std::sync::atomic::Ordering;

/// Names a guest to be killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KillHandle {
    /// The number of the control block, plus 1; 0: names nothing.
    pub block: u64,
    /// The incarnation.
    pub incarnation: u64,
}

/// What a kill has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Answer {
    /// The guest is running and is being left; if it was just returning, its next entry ends at once.
    Stopping = 1,
    /// It is in a host function, and will be left when that returns.
    WhenHostReturns = 2,
    /// It is not running; its next entry or resume ends at once.
    NotRunning = 3,
    /// It has trapped or was terminated, or has been reset or released since: nothing to do.
    Finished = 4,
}

/// The handle that kills an instance as it is now.
///
/// # Errors
///
/// `Stale`, `WrongProcess`.
pub fn kill_handle(handle: Handle) -> Result<KillHandle> {
    let (block, inner) = live(handle)?;
    Ok(KillHandle {
        block: u64::from(inner.region.number(block)) + 1,
        incarnation: block.incarnation(),
    })
}

/// Ends a guest for good. When several kills meet, the reason of one of them is reported. Keeps `errno`.
pub fn kill(handle: KillHandle, reason: u64) -> Answer {
    // SAFETY: always a valid location for the calling thread.
    let errno = unsafe { *libc::__errno_location() };
    let answer = kill_marked(handle, reason);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    answer
}

fn kill_marked(handle: KillHandle, reason: u64) -> Answer {
    let number = handle
        .block
        .checked_sub(1)
        .and_then(|number| u32::try_from(number).ok());
    let Some((number, block)) = number.and_then(|number| Some((number, directory::block(number)?)))
    else {
        return Answer::Finished;
    };
    if block.process.load(Ordering::Relaxed) != process::current() || !mark(block, handle, reason) {
        return Answer::Finished;
    }
    let mut certain = true;
    let mut now = block.state();
    if now != state::GUEST {
        certain = running::barrier();
        now = block.state();
    }
    match now {
        state::GUEST if send_once(block, number, handle) => Answer::Stopping,
        // It has had another instance called, which is to be left first.
        state::HOST if is_in_bridge(block) && signal::stop::send(block, number) => Answer::Stopping,
        state::ENTERING => {
            // Without the barrier the guest may have looked at the word before it was marked.
            if !certain {
                signal::stop::send(block, number);
            }
            Answer::Stopping
        }
        state::GUEST | state::HOST | state::LEAF => {
            if !certain {
                signal::stop::send(block, number);
            }
            block.deferred.fetch_add(1, Ordering::Relaxed);
            Answer::WhenHostReturns
        }
        state::READY | state::SUSPENDED | state::PREEMPTED | state::CLEANING => Answer::NotRunning,
        // It has seen the mark already.
        state::STOPPED => Answer::Stopping,
        _ => Answer::Finished,
    }
}

/// Signals a guest in its own code, unless another kill has. One signal is enough: whoever becomes `GUEST` later looks at the word.
/// More would wait in the user's queue, and the guest's thread would do nothing but handle them. False: it could not be sent.
fn send_once(block: &ControlBlock, number: u32, handle: KillHandle) -> bool {
    if !block.word.take_sending(handle.incarnation) {
        return true;
    }
    let sent = signal::stop::send(block, number);
    if !sent {
        block.word.not_sent();
    }
    sent
}

fn is_in_bridge(block: &ControlBlock) -> bool {
    !block.bridge.load(Ordering::Acquire).is_null()
}

/// Sets the bit of the incarnation that is meant, with the reason. False: it is over.
fn mark(block: &ControlBlock, handle: KillHandle, reason: u64) -> bool {
    block.word.mark(handle.incarnation, reason, || {
        matches!(block.state(), state::STOPPED | state::FREE)
    })
}
