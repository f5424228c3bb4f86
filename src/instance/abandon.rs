//! Hosts that leave a host function by `longjmp`, past the run: the frames that would have ended the run are gone, so the
//! host says that it is over.
//!
//! Invariant: afterwards the instance is as after a termination, and its thread as if the run had returned.

use super::outcome::{Record, remember};
use super::{Handle, live, unwinding};
use crate::abi::{LUCET_STOP_HOST, LUCET_TERMINATED};
use crate::control::{ControlBlock, Trap, state, stop};
use crate::error::{Result, Status, error};
use crate::region::stats::Counters;
use crate::timing::chain;
use crate::{guard, thread};
use std::sync::atomic::Ordering;

/// Ends a run whose frames on the host's stack are gone.
///
/// # Errors
///
/// `BadState`: it is in no host function, or in one that has not been left, or was entered by another thread; `Stale`, `WrongProcess`.
pub fn abandon(handle: Handle) -> Result<()> {
    let (block, inner) = live(handle)?;
    let in_host = matches!(block.state(), state::HOST | state::LEAF);
    let runner = thread::runner().filter(|runner| {
        in_host && block.runner.load(Ordering::Acquire) == std::ptr::from_ref(*runner) as usize
    });
    let Some(runner) = runner else {
        return Err(error!(
            Status::BadState,
            "only a run that this thread has left from within a host function can be abandoned"
        ));
    };
    if is_inside(block) {
        return Err(error!(
            Status::BadState,
            "the host function has not been left yet: leave it by longjmp, past the run, before its run is abandoned"
        ));
    }
    guard::forget();
    chain::abandon(block, runner);
    inner.views.settle();
    inner.views.abandon();
    block.lower(stop::TIMES);
    block.take_request();
    block.again.set(None);
    block.bridge.store(std::ptr::null_mut(), Ordering::Release);
    block.bridges.set(0);
    block.bridged.set(false);
    block.entry_sp.set(block.stack_high.get());
    block.entry_frame.set(0);
    block.nested.set(0);
    block.trap.set(Trap::NONE);
    inner.forget_waiting(block);
    Counters::count(&inner.region.counters.terminated);
    remember(
        block,
        inner,
        Record {
            kind: LUCET_TERMINATED,
            detail: LUCET_STOP_HOST,
            ..Record::default()
        },
    );
    block.set_state(state::STOPPED);
    Ok(())
}

/// Whether the caller is in a host function of the run that it wants to abandon: the frames of the run are below its own. But those of
/// a host that has left and calls this from further down are, too, so the stack is looked through then. What a host does on stacks of its own
/// making cannot be told.
fn is_inside(block: &ControlBlock) -> bool {
    let local = 0u8;
    let here = std::ptr::from_ref(&local) as usize;
    let (low, high) = thread::host_stack();
    let entered_at = if block.nested.get() > 0 {
        block.outermost_sp.get()
    } else {
        block.host_sp.get()
    };
    let below_the_run = (low..high).contains(&entered_at) && (low..entered_at).contains(&here);
    let on_the_guests = (block.stack_guard.get()..block.stack_high.get()).contains(&here);
    on_the_guests || below_the_run && unwinding::may_be_in(block, entered_at)
}
