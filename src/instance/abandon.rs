//! Hosts that leave a host function by `longjmp`: past the run, or into another host function of it, out of callbacks. The frames
//! that would have ended what was left are gone, so the host says that it is over.
//!
//! Invariant: afterwards the instance is as after a termination, and its thread as if the run had returned; or the host function as if the
//! callback had been terminated.

use super::outcome::{Record, forget_thrown, remember};
use super::unwinding::{self, Found};
use super::{Handle, Inner, live};
use crate::abi::{LUCET_STOP_HOST, LUCET_TERMINATED};
use crate::control::{ControlBlock, Request, Trap, state, stop};
use crate::error::{Result, Status, error};
use crate::region::stats::Counters;
use crate::running::Runner;
use crate::timing::{self, chain};
use crate::{guard, thread};
use std::sync::atomic::Ordering;

/// Where the caller is.
enum Place {
    /// In the host function that the guest has called, or that cannot be told.
    Inside,
    /// In a host function that has called the guest back, and was called with the host's stack there, or a little above.
    Around(usize),
    /// Past the run.
    Past,
}

/// Ends what of a run has been left: all of it, or callbacks.
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
    match place(block) {
        Place::Inside => {
            return Err(error!(
                Status::BadState,
                "the host function has not been left yet: leave it by longjmp before its run is abandoned"
            ));
        }
        Place::Around(stack) => leave_callbacks(block, inner, runner, stack)?,
        Place::Past => leave_run(block, inner, runner),
    }
    Ok(())
}

/// What both have in common, first. `goes_on`: the run does, callbacks have been left.
fn leave(block: &ControlBlock, inner: &Inner, goes_on: bool) {
    guard::forget();
    block.take_request();
    block.again.set(None);
    block.trap.set(Trap::NONE);
    forget_thrown(inner);
    Counters::count(&inner.region.counters.terminated);
    let record = Record {
        kind: LUCET_TERMINATED,
        detail: LUCET_STOP_HOST,
        ..Record::default()
    };
    remember(block, inner, record, goes_on);
}

fn leave_run(block: &ControlBlock, inner: &Inner, runner: &Runner) {
    chain::abandon(block, runner);
    inner.views.settle();
    inner.views.abandon();
    inner.levels.forget();
    leave(block, inner, false);
    block.lower(stop::TIMES);
    block.bridge.store(std::ptr::null_mut(), Ordering::Release);
    block.bridges.set(0);
    block.bridged.set(false);
    block.entry_sp.set(block.stack_high.get());
    block.entry_frame.set(0);
    block.nested.set(0);
    inner.forget_waiting(block);
    block.set_state(state::STOPPED);
}

/// The guest ends as after any callback that ended badly, when the host function returns and has not kept it.
fn leave_callbacks(
    block: &ControlBlock,
    inner: &Inner,
    runner: &Runner,
    stack: usize,
) -> Result<()> {
    if inner.levels.are_linked(block, stack) {
        return Err(error!(
            Status::BadState,
            "what was left are calls of linked instances: leave the run"
        ));
    }
    chain::abandon_inside(block, runner);
    while block.host_sp() < stack {
        inner.views.leave(block.host_sp());
        if !inner.levels.end(block) {
            break;
        }
    }
    inner.views.refresh();
    leave(block, inner, true);
    block.set_state(state::HOST);
    block.ask(Request::Unwind);
    if block.timed.get() {
        timing::end_nested(block);
    }
    Ok(())
}

/// The frames of a run are below the caller's, if it is in a host function. But those of a host that has left and calls this from further
/// down are, too, so the stack is looked through then. What a host does on stacks of its own making cannot be told.
fn place(block: &ControlBlock) -> Place {
    let local = 0u8;
    let here = std::ptr::from_ref(&local) as usize;
    let (low, high) = thread::host_stack();
    let nested = block.nested.get() > 0;
    let entered_at = if nested {
        block.outermost_sp.get()
    } else {
        block.host_sp()
    };
    if (block.stack_guard.get()..block.stack_high.get()).contains(&here) {
        return Place::Inside;
    }
    if !(low..high).contains(&entered_at) || here >= entered_at {
        return Place::Past;
    }
    match unwinding::search(block, entered_at) {
        Found::Left => Place::Past,
        Found::Inside(stack) if nested && block.host_sp() < stack => Place::Around(stack),
        Found::Inside(_) | Found::Nothing => Place::Inside,
    }
}
