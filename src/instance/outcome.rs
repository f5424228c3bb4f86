//! How an entry into a guest ended, as the host sees it.

use super::{Handle, Inner, live};
use crate::abi::{LUCET_NOT_RUN, LUCET_RETURNED, LUCET_TERMINATED, LUCET_TRAPPED, lucet_outcome};
use crate::control::{ControlBlock, Request, exit, state};
use crate::error::{Result, Status, error};
use crate::region::stats::Counters;
use std::sync::atomic::Ordering;

/// What is remembered of an outcome; the values are in the slot's array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `LUCET_RETURNED` and so on.
    pub kind: u32,
    /// The trap, or who ended the run.
    pub detail: u32,
    /// The reason given for a termination.
    pub token: u64,
    /// How many values it returned.
    pub values: u32,
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
        (_, Request::Trap(code)) => trapped(code),
        (_, Request::Terminate(detail, token)) => Record {
            kind: LUCET_TERMINATED,
            detail,
            token,
            values: 0,
        },
        // The nested run's outcome stands for the outer one as well; it has been counted.
        (_, Request::Unwind | Request::None) => return inner.outcome.get(),
    };
    match record.kind {
        LUCET_TRAPPED => inner.region.counters.count_trap(record.detail),
        LUCET_TERMINATED => Counters::count(&inner.region.counters.terminated),
        _ => {}
    }
    inner.outcome.set(record);
    record
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
    Ok(inner.outcome.get().to_abi(block, inner))
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
        block.set_state(state::READY);
        return Ok(());
    }
    if block.state() == state::HOST && block.request.get() == Request::Unwind {
        block.request.set(Request::None);
        block.stop.store(0, Ordering::Relaxed);
        return Ok(());
    }
    Err(error!(
        Status::BadState,
        "the instance has not been stopped by a trap or termination"
    ))
}
