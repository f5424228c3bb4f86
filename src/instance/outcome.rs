//! How an entry into a guest ended, as the host sees it.

use super::{Handle, Inner, Live, live};
use crate::abi::{LUCET_NOT_RUN, LUCET_RETURNED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome};
use crate::control::{ControlBlock, Request, Trap, exit, state};
use crate::error::{Result, Status, error};
use crate::region::stats::Counters;
use std::sync::atomic::Ordering;

/// What is remembered of an outcome; the values are in the slot's array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `LUCET_RETURNED` and so on.
    pub kind: u32,
    /// The trap, or who ended the run.
    pub detail: u32,
    /// The reason given for a termination.
    pub token: u64,
    /// How many values it returned.
    pub values: u32,
    /// The imported function in whose call the guest was stopped, by index; [`NO_IMPORT`]: in none.
    pub import: u32,
}

/// No imported function.
pub const NO_IMPORT: u32 = u32::MAX;

impl Default for Record {
    fn default() -> Self {
        Record {
            kind: LUCET_NOT_RUN,
            detail: 0,
            token: 0,
            values: 0,
            import: NO_IMPORT,
        }
    }
}

impl Record {
    /// As C sees it.
    pub fn to_abi(self, block: &ControlBlock, inner: &Inner) -> lucet_outcome {
        let returned = self.kind == LUCET_RETURNED;
        lucet_outcome {
            kind: self.kind,
            detail: self.detail,
            token: self.token,
            values: if returned {
                inner.region.values_of(block)
            } else {
                std::ptr::null()
            },
            value_count: self.values as usize,
            ..NOT_RUN
        }
    }
}

/// The outcome of an entry that did not happen.
pub const NOT_RUN: lucet_outcome = lucet_outcome {
    kind: LUCET_NOT_RUN,
    detail: 0,
    token: 0,
    values: std::ptr::null(),
    value_count: 0,
    cpu_ns: 0,
    reserved: [0; 3],
};

/// Turns the way a guest was left into the outcome, and counts it. `results` is what the function returns.
pub(super) fn conclude(block: &ControlBlock, inner: &Inner, left: u32, results: u32) -> Record {
    let request = block.request.replace(Request::None);
    block.stop.store(0, Ordering::Relaxed);
    let record = match (left, request) {
        (exit::RETURNED, _) => Record {
            kind: LUCET_RETURNED,
            values: results,
            ..Record::default()
        },
        (exit::TRAPPED, _) => trapped(block.trap.get().code),
        (_, Request::Trap(code)) => stopped(block, trapped(code)),
        (_, Request::Terminate(detail, token)) => stopped(
            block,
            Record {
                kind: LUCET_TERMINATED,
                detail,
                token,
                ..Record::default()
            },
        ),
        // The nested run's outcome stands for the outer one as well; it has been counted.
        (_, Request::Unwind | Request::None) => return latest(block, inner),
    };
    match record.kind {
        LUCET_TRAPPED => inner.region.counters.count_trap(record.detail),
        LUCET_TERMINATED => Counters::count(&inner.region.counters.terminated),
        _ => {}
    }
    remember(block, inner, record);
    record
}

/// Makes a record the latest.
pub(super) fn remember(block: &ControlBlock, inner: &Inner, record: Record) {
    inner.outcome.set(record);
    block.quiet.set(0);
}

/// The record of the latest entry. Short typed entries that return leave only a mark: their result has been handed over.
pub(super) fn latest(block: &ControlBlock, inner: &Inner) -> Record {
    if block.quiet.get() == 0 {
        return inner.outcome.get();
    }
    let values = block.quiet_values.get() as u32;
    Record {
        kind: LUCET_RETURNED,
        values,
        ..Record::default()
    }
}

/// The latest outcome of a block that has an instance.
pub(super) fn of(block: &'static ControlBlock) -> lucet_outcome {
    let outcome = Live { block }
        .inner()
        .map(|inner| latest(block, inner).to_abi(block, inner));
    outcome.unwrap_or(NOT_RUN)
}

/// Notes where the guest called the host function or helper that stopped it: `host_call` has left rbx, rbp and the return
/// address into the guest at `guest_sp`.
fn stopped(block: &ControlBlock, record: Record) -> Record {
    let stack = block.guest_sp.get();
    // SAFETY: the trampoline has stored these three words on the guest's stack, which is the slot's and mapped; the guest
    // has left it.
    let [_, frame, pc] = unsafe { *(stack as *const [usize; 3]) };
    block.trap.set(Trap {
        code: record.detail,
        pc,
        frame,
        stack: stack + 24,
        ..Trap::NONE
    });
    Record {
        import: block.call_index.get(),
        ..record
    }
}

/// The record of a trap.
pub(super) fn trapped(code: u32) -> Record {
    Record {
        kind: LUCET_TRAPPED,
        detail: code,
        ..Record::default()
    }
}

/// The latest outcome of an instance.
///
/// # Errors
///
/// `Stale`, `WrongProcess`.
pub fn outcome(handle: Handle) -> Result<lucet_outcome> {
    let (block, inner) = live(handle)?;
    Ok(latest(block, inner).to_abi(block, inner))
}

/// Lets an instance go on after a trap or termination, with its state as it is. In a host function: lets the
/// outer guest go on although a callback into it trapped.
///
/// # Errors
///
/// `BadState` when there is nothing to forgive; `Stale`, `WrongProcess`.
pub fn keep(handle: Handle) -> Result<()> {
    let (block, _) = live(handle)?;
    if block.state() == state::STOPPED {
        block.trap.set(Trap::NONE);
        block.set_state(state::READY);
        return Ok(());
    }
    if block.state() == state::HOST && block.request.get() == Request::Unwind {
        block.request.set(Request::None);
        block.stop.store(0, Ordering::Relaxed);
        block.trap.set(Trap::NONE);
        return Ok(());
    }
    Err(error!(
        Status::BadState,
        "the instance has not been stopped by a trap or termination"
    ))
}
