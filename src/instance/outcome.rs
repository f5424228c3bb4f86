//! How an entry into a guest ended, as the host sees it.

use super::waiting::{Waiting, Way};
use super::{Handle, Inner, Live, live, uncaught as nobody_caught};
use crate::abi::{
    LUCET_NOT_RUN, LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_CPU, LUCET_STOP_DEADLINE,
    LUCET_STOP_KILL, LUCET_STOP_LINKED, LUCET_STOP_NESTED, LUCET_SUSPENDED, LUCET_TERMINATED,
    LUCET_TRAPPED, lucet_outcome,
};
use crate::context;
use crate::control::{Again, ControlBlock, Request, Trap, exit, state, stop};
use crate::error::{Result, Status, error};
use crate::exception::Arena;
use crate::region::stats::Counters;
use lucet_format::image::records::FunctionType;
use lucet_format::trap::TrapCode;

/// What is remembered of an outcome; the values are in the slot's array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// `LUCET_RETURNED` and so on.
    pub kind: u32,
    /// The trap, or who ended the run.
    pub detail: u32,
    /// The reason given for a termination, the token of a suspension, or the exception that nobody has caught.
    pub token: u64,
    /// How many values it returned.
    pub values: u32,
    /// The imported function in whose call the guest was stopped, by index; [`NO_IMPORT`]: in none.
    pub import: u32,
    /// Whether any code of the guest ran.
    pub ran: bool,
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
            ran: true,
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
            token: if self.kind == LUCET_TRAPPED {
                0
            } else {
                self.token
            },
            values: if returned {
                inner.region.values_of(block)
            } else {
                std::ptr::null()
            },
            value_count: self.values as usize,
            cpu_ns: block.times.cpu_measured.get(),
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

/// Turns the way a guest was left into the outcome, and counts it. `function_type` is that of the function that was entered.
///
/// What ends a guest for good comes before what its host function asked for, and that before what makes it wait.
pub(super) fn conclude(
    block: &ControlBlock,
    inner: &Inner,
    left: u32,
    function_type: &FunctionType,
    way: Way,
) -> Record {
    let goes_on = block.nested.get() > 0;
    let request = block.take_request();
    let stops = block.stops();
    let again = block.again.take();
    let record = match (left, request) {
        (exit::RETURNED, _) => Record {
            kind: LUCET_RETURNED,
            values: function_type.results,
            ..Record::default()
        },
        (exit::TRAPPED, _) => trapped(block.trap.get().code),
        // The nested run's outcome stands for the outer one as well; it has been counted.
        (_, Request::Unwind) => {
            let record = latest(block, inner);
            remember(block, inner, record, goes_on);
            return record;
        }
        _ if stops & stop::FINAL != 0 => place(block, left, over(block, stops)),
        (_, Request::Trap(code)) => place(block, left, trapped(code)),
        (_, Request::Uncaught(exception)) => place(block, left, uncaught(exception)),
        (_, Request::Terminate(detail, token)) => place(block, left, terminated(detail, token)),
        (exit::PREEMPTED, _) => waiting(LUCET_PREEMPTED, 0),
        (_, Request::Suspend(token)) => place(block, left, waiting(LUCET_SUSPENDED, token)),
        (_, Request::None) => place(block, left, waiting(LUCET_PREEMPTED, 0)),
    };
    match record.kind {
        LUCET_TRAPPED => inner.region.counters.count_trap(record.detail),
        LUCET_TERMINATED => Counters::count(&inner.region.counters.terminated),
        LUCET_SUSPENDED | LUCET_PREEMPTED => {
            if let Some(again) = &again {
                call_again(block, again);
            }
            let waiting = Waiting {
                function_type: *function_type,
                way,
                exact: left == exit::PREEMPTED || again.is_some(),
            };
            inner.wait(&record, waiting);
        }
        _ => {}
    }
    remember(block, inner, record, goes_on);
    record
}

fn uncaught(exception: u64) -> Record {
    Record {
        token: exception,
        ..trapped(u32::from(TrapCode::Exception.number()))
    }
}

fn terminated(detail: u32, token: u64) -> Record {
    Record {
        kind: LUCET_TERMINATED,
        detail,
        token,
        ..Record::default()
    }
}

fn waiting(kind: u32, token: u64) -> Record {
    Record {
        kind,
        token,
        ..Record::default()
    }
}

/// What the stop word says has ended the guest for good.
fn over(block: &ControlBlock, stops: u64) -> Record {
    if stops & stop::KILL != 0 {
        return terminated(LUCET_STOP_KILL, block.word.reason());
    }
    let detail = if stops & stop::DEADLINE != 0 {
        LUCET_STOP_DEADLINE
    } else if stops & stop::CPU != 0 {
        LUCET_STOP_CPU
    } else if stops & stop::NESTED != 0 {
        LUCET_STOP_NESTED
    } else {
        LUCET_STOP_LINKED
    };
    terminated(detail, 0)
}

/// Notes where the guest was left, if it was in a call out: signal handlers have done it.
fn place(block: &ControlBlock, left: u32, record: Record) -> Record {
    match left {
        exit::STOPPED => stopped(block, record),
        exit::UNSTARTED => {
            block.trap.set(Trap::NONE);
            Record {
                ran: false,
                ..record
            }
        }
        _ => record,
    }
}

/// Makes a record the latest. `goes_on`: it is of a callback, and the entry that this was in, which may be a short one, has an outcome of
/// its own to come.
pub(super) fn remember(block: &ControlBlock, inner: &Inner, record: Record, goes_on: bool) {
    inner.outcome.set(record);
    let before = block.entries.get().saturating_sub(u64::from(goes_on));
    block.outcome_at.set(before);
}

/// The record of the latest entry that is over. Short entries that return write none: their result has been handed over.
pub(crate) fn latest(block: &ControlBlock, inner: &Inner) -> Record {
    let going_on = u64::from(state::is_running(block.state()));
    if block.outcome_at.get() + going_on >= block.entries.get() {
        return inner.outcome.get();
    }
    Record {
        kind: LUCET_RETURNED,
        values: block.noted_values() as u32,
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
        import: block.called_index().unwrap_or(NO_IMPORT),
        ..record
    }
}

/// Makes the registers of a guest that was left at the return of a helper those of a guest about to call it: `helper_call` has left rbx,
/// rbp and the return address at `guest_sp`.
fn call_again(block: &ControlBlock, again: &Again) {
    let stack = block.guest_sp.get();
    // SAFETY: as in `stopped`.
    let [rbx, rbp, _] = unsafe { *(stack as *const [u64; 3]) };
    let mut registers = block.registers.get();
    registers.call(
        context::helper_call_address() as u64,
        (stack + 16) as u64,
        [rbx, rbp],
        again,
        block.vmctx.get() as u64,
    );
    block.registers.set(registers);
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
    let (block, inner) = live(handle)?;
    if forgive(block, inner) {
        return Ok(());
    }
    Err(error!(
        Status::BadState,
        "the instance has not been stopped by a trap or termination"
    ))
}

/// As [`keep`]; false: there is nothing to forgive.
pub(crate) fn forgive(block: &ControlBlock, inner: &Inner) -> bool {
    let stopped = block.state() == state::STOPPED;
    if !stopped && (block.state() != state::HOST || block.request.get() != Request::Unwind) {
        return false;
    }
    block.trap.set(Trap::NONE);
    forget_thrown(inner);
    if let Some(uncaught) = nobody_caught::reference(&latest(block, inner)) {
        with_exceptions(inner, |exceptions| exceptions.forget(uncaught));
    }
    if stopped {
        block.lower(stop::FINAL);
        inner.forget_waiting(block);
        block.set_state(state::READY);
    } else {
        block.take_request();
    }
    true
}

/// An exception that was on its way when the guest was ended never arrives.
pub(super) fn forget_thrown(inner: &Inner) {
    with_exceptions(inner, Arena::forget_thrown);
}

fn with_exceptions(inner: &Inner, change: impl FnOnce(&mut Arena)) {
    if let Ok(mut exceptions) = inner.exceptions.try_borrow_mut() {
        change(&mut exceptions);
    }
}
