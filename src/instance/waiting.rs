//! Guests that wait: suspended by a host function, or preempted at the end of a slice; and how they go on.
//!
//! ```text
//!   running --- lucet_call_suspend ---> SUSPENDED --- resume(results) ---> running
//!   running --- slice over -----------> PREEMPTED --- resume() ----------> running
//! ```
//!
//! The guest's stack stays as it is, with everything that the guest was in the middle of. The host's stack has nothing of it, so
//! any thread can resume it.
//!
//! Invariants: a state of waiting is published last, when the thread that ran the guest touches the instance no more; whoever
//! takes it away by a compare-and-exchange owns the instance.

use super::outcome::{Record, conclude};
use super::run::{self, write_types};
use super::target::Target;
use super::{Handle, Inner, live};
use crate::abi::{LUCET_PREEMPTED, LUCET_RETURNED, LUCET_SUSPENDED, lucet_outcome, lucet_value};
use crate::context;
use crate::control::{ControlBlock, NO_SHORT_WAY, Trap, fetch_early, state};
use crate::error::{Result, Status, error};
use crate::thread;
use lucet_format::image::records::FunctionType;
use lucet_format::runtime::RESULT_STRIDE;
use lucet_format::value::ValueType;
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// How a guest was entered at first, which is how its results come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By an adapter, which stores the results in the slot's array.
    Adapter,
    /// By a short typed entry, which returns them in registers.
    Registers,
}

/// What a waiting guest is in the middle of.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The type of the function that was entered.
    pub function_type: FunctionType,
    /// See [`Way`].
    pub way: Way,
    /// Whether all registers are saved; else the guest waits at the return of a call out.
    pub exact: bool,
}

/// What is to be entered after the start function.
pub struct Pending {
    /// The function.
    pub target: Target,
    /// Its arguments, checked.
    pub arguments: Vec<lucet_value>,
}

/// What has happened since the instance is new.
#[derive(Debug, Default)]
pub struct Tally {
    /// Suspensions by host functions.
    pub suspensions: Cell<u64>,
    /// Ends of slices.
    pub slices: Cell<u64>,
    /// The most bytes that linear memory has had.
    pub peak_memory: Cell<u64>,
}

impl Tally {
    /// Notes the size of memory.
    pub fn peak(&self, bytes: u64) {
        self.peak_memory.set(self.peak_memory.get().max(bytes));
    }
}

impl Inner {
    /// Begins the tally again, without exceptions.
    pub(super) fn renew(&self) {
        if let Ok(mut exceptions) = self.exceptions.try_borrow_mut() {
            exceptions.clear();
        }
        self.tally.suspensions.set(0);
        self.tally.slices.set(0);
        self.tally.peak_memory.set(0);
    }

    /// Notes that the guest waits, and for what. The caller publishes the state.
    pub(super) fn wait(&self, record: &Record, waiting: Waiting) {
        self.waiting.set(Some(waiting));
        let tally = match record.kind {
            LUCET_SUSPENDED => &self.tally.suspensions,
            _ => &self.tally.slices,
        };
        tally.set(tally.get() + 1);
        self.region.counters.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// The guest does not wait any more: it goes on, or there is nothing left of it.
    pub(super) fn forget_waiting(&self, block: &ControlBlock) {
        if self.waiting.take().is_some() {
            self.region.counters.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if let Ok(mut pending) = self.pending.try_borrow_mut() {
            *pending = None;
        }
        block.timed.set(false);
    }

    /// Typed entries and calls by handle may take their short way from now on, if nothing speaks against it: the instance has been
    /// instantiated and no time is kept.
    pub(super) fn allow_short_entries(&self, block: &ControlBlock) {
        let time = self.limits.get().time;
        let deadline = time
            .deadline_alone()
            .filter(|_| self.started.get())
            .unwrap_or(0);
        block.deadline_alone.set(deadline);
        let ordinary = self.started.get() && !time.is_any();
        block.token.set(if ordinary {
            self.region.process()
        } else {
            NO_SHORT_WAY
        });
    }
}

/// The state of an instance whose entry has ended in this way.
pub(super) fn state_after(record: &Record) -> u32 {
    match record.kind {
        LUCET_RETURNED => state::READY,
        LUCET_SUSPENDED => state::SUSPENDED,
        LUCET_PREEMPTED => state::PREEMPTED,
        _ => state::STOPPED,
    }
}

/// Goes on with a suspended guest, whose host function's results these are, or with a preempted one, without results.
///
/// # Errors
///
/// `BadState`: it does not wait; `Running`: the run that suspended it has not returned yet, or another thread was first;
/// `TypeMismatch`, `BadArgument`: the results; `NeedsReset`, `Stale`, `WrongProcess`. The guest is as it was then.
pub fn resume(handle: Handle, results: &[lucet_value]) -> Result<lucet_outcome> {
    let (block, inner) = live(handle)?;
    fetch_early(block.guest_sp.get());
    fetch_early(block.vmctx.get().wrapping_sub(64));
    let before = block.state();
    if !matches!(before, state::SUSPENDED | state::PREEMPTED) {
        run::ready(handle)?;
    }
    check_waits_for(block, inner, before, results)?;
    let runner = thread::ensure_attached()?;
    run::check_timer(inner, runner)?;
    if !block.exchange_state(before, state::ENTERING) {
        return Err(error!(
            Status::Running,
            "another thread has resumed the instance"
        ));
    }
    if before == state::SUSPENDED {
        deliver(block, inner, results);
    }
    let waiting = take_waiting(block, inner)?;
    run::begin(block, inner, runner);
    let record = go_on(block, inner, &waiting);
    run::end(block, runner);
    let next = inner
        .pending
        .try_borrow_mut()
        .ok()
        .filter(|_| record.kind == LUCET_RETURNED)
        .and_then(|mut pending| pending.take());
    let outcome = run::settle(block, inner, record);
    match next {
        // It was the start function that has waited.
        Some(pending) => run::enter_outermost(block, inner, &pending.target, &pending.arguments),
        None => Ok(outcome),
    }
}

/// That a guest in this state waits, and for such results.
fn check_waits_for(
    block: &ControlBlock,
    inner: &Inner,
    before: u32,
    results: &[lucet_value],
) -> Result<()> {
    match before {
        state::SUSPENDED => check_results(block, inner, results),
        state::PREEMPTED if results.is_empty() => Ok(()),
        state::PREEMPTED => Err(error!(
            Status::TypeMismatch,
            "{} results for a guest that was preempted: it waits for none",
            results.len()
        )),
        _ => Err(error!(
            Status::BadState,
            "the instance is neither suspended nor preempted"
        )),
    }
}

/// What it waits for, from which it goes on.
fn take_waiting(block: &ControlBlock, inner: &Inner) -> Result<Waiting> {
    let Some(waiting) = inner.waiting.take() else {
        block.set_state(state::STOPPED);
        return Err(error!(
            Status::BadState,
            "the instance does not know what it waits for: reset it"
        ));
    };
    let counters = &inner.region.counters;
    counters.waiting.fetch_sub(1, Ordering::Relaxed);
    Ok(waiting)
}

fn go_on(block: &ControlBlock, inner: &Inner, waiting: &Waiting) -> Record {
    let mut bits = 0;
    block.trap.set(Trap::NONE);
    // SAFETY: the guest was left so that it can go on in this way, see `wait`; this thread is prepared and owns it.
    let left = unsafe { context::resume(block, waiting.exact, &mut bits) };
    let function_type = waiting.function_type;
    let record = conclude(block, inner, left, &function_type, waiting.way);
    if record.kind != LUCET_RETURNED {
        return record;
    }
    let values = inner.region.values_of(block);
    if waiting.way == Way::Registers
        && let Some(result) = inner.image().results(&function_type).next()
    {
        // SAFETY: the array has room for every result.
        unsafe { values.write(lucet_value::from_bits(result.number(), u128::from(bits))) };
    }
    write_types(inner, &function_type, values);
    record
}

/// The type of the import whose call was suspended.
fn import_type(block: &ControlBlock, inner: &Inner) -> Option<FunctionType> {
    let row = block.called()?;
    let image = inner.image();
    let function = image.functions().get(row.index as usize)?;
    image.function_types().get(function.function_type as usize)
}

fn check_results(block: &ControlBlock, inner: &Inner, results: &[lucet_value]) -> Result<()> {
    let image = inner.image();
    let Some(function_type) = import_type(block, inner) else {
        return Err(error!(
            Status::BadState,
            "the instance was not suspended by an import"
        ));
    };
    let wanted: u32 = function_type.results;
    if results.len() != wanted as usize {
        return Err(error!(
            Status::TypeMismatch,
            "{} results for an import with {wanted}",
            results.len()
        ));
    }
    for (index, (wanted, result)) in image.results(&function_type).zip(results).enumerate() {
        if result.r#type != u32::from(wanted.number()) {
            return Err(error!(
                Status::TypeMismatch,
                "result {index} has type number {}, the import's is {}",
                result.r#type,
                wanted.number()
            ));
        }
        run::check_value(inner, wanted, result)?;
    }
    Ok(())
}

/// Puts the results where the guest expects them: in the register that is restored, or in its cells.
fn deliver(block: &ControlBlock, inner: &Inner, results: &[lucet_value]) {
    let Some(function_type) = import_type(block, inner) else {
        return;
    };
    let image = inner.image();
    let registers = block.registers.as_ptr();
    for (index, (wanted, result)) in image.results(&function_type).zip(results).enumerate() {
        let bits = narrow(wanted, result.bits());
        if results.len() >= 2 {
            let cell = block.call_results.get() + index * RESULT_STRIDE as usize;
            // SAFETY: the guest has passed the address of as many cells, on its own stack, as compiled code does.
            unsafe { (cell as *mut [u8; 16]).write(bits.to_le_bytes()) };
        } else if wanted.is_float_class() {
            // SAFETY: this thread owns the instance, and nobody looks at the registers of a guest that waits.
            unsafe { (*registers).xmm[0] = bits };
        } else {
            // SAFETY: as above.
            unsafe { (*registers).general[0] = bits as u64 };
        }
    }
}

fn narrow(value_type: ValueType, bits: u128) -> u128 {
    match value_type {
        ValueType::I32 | ValueType::F32 => bits & 0xffff_ffff,
        ValueType::V128 => bits,
        _ => bits & u128::from(u64::MAX),
    }
}
