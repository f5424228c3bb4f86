//! Calls of one instance's functions by another one's guest.
//!
//! A bridge is a host function, or a helper, of the caller's: it runs the other instance on that one's own stack, in a run of its
//! own, and hands values over.
//!
//! ```text
//!   caller's stack    | frames | host_call ...                          the caller is in a host function
//!   host's stack                 | bridge | enter ...
//!   callee's stack                                 | adapter | frames   in a run of its own, or nested in the one that it is in
//! ```
//!
//! What ends the callee's run ends the caller's, too: a trap, a termination. An exception that the callee does not catch goes on in the
//! caller. What stops the caller (a kill, a limit of time) stops the callee: the signal handler follows [`ControlBlock::bridge`].
//! Neither can be suspended or preempted meanwhile, since the bridge's frame is on the host's stack.
//!
//! Invariants: the callee is entered only when it can be entered from outside, or when this thread is in one of its host
//! functions; `bridge` is set before the last look at the caller's stop word, and taken back before the callee's is cleaned.

use crate::abi::{
    LUCET_RETURNED, LUCET_STOP_LINKED, LUCET_STOP_NESTED, LUCET_TERMINATED, LUCET_TRAPPED,
    lucet_call, lucet_outcome, lucet_value,
};
use crate::call::{self, throw};
use crate::control::{ControlBlock, Request, state, stop};
use crate::error::{Error, Status, error};
use crate::instance::outcome::latest;
use crate::instance::run;
use crate::instance::target::Target;
use crate::instance::{Inner, Live, exception, uncaught};
use crate::linking::{Bridge, reference};
use crate::{guard, thread, timing};
use lucet_format::image::records::FunctionType;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use std::sync::atomic::{Ordering, compiler_fence};

type Result<T, E = Error> = std::result::Result<T, E>;

/// An instance.
#[derive(Clone, Copy)]
struct Side {
    block: &'static ControlBlock,
    inner: &'static Inner,
}

impl Side {
    fn new(block: &'static ControlBlock) -> Result<Side> {
        let inner = Live { block }.inner()?;
        Ok(Side { block, inner })
    }

    fn is(&self, other: &Side) -> bool {
        std::ptr::eq(self.block, other.block)
    }
}

/// A call of an imported function that another instance exports.
///
/// # Safety
///
/// Called by `dynamic_thunk` with a row that linking has made: `data` is a [`Bridge`], and the arrays fit the function's type.
pub unsafe extern "C" fn call(
    call: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the caller's promise; calls are control blocks, which live for ever, and the module that is linked keeps the bridge.
    let (block, bridge) = unsafe { (&*call.cast::<ControlBlock>(), &*data.cast::<Bridge>()) };
    let done = guard::catch(|| {
        let (caller, callee) = (Side::new(block)?, Side::new(bridge.block)?);
        let target = Target::function(callee.inner, bridge.function)?;
        let (taken, given) = (
            target.function_type.parameters,
            target.function_type.results,
        );
        // SAFETY: the caller's promise.
        let (arguments, results) = unsafe {
            (
                slice(arguments, taken as usize),
                slice_mut(results, given as usize),
            )
        };
        cross(caller, callee, &target, arguments, results).map(|_| ())
    });
    give_up(block, done);
}

unsafe fn slice<'a>(first: *const lucet_value, count: usize) -> &'a [lucet_value] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(first, count) }
}

unsafe fn slice_mut<'a>(first: *mut lucet_value, count: usize) -> &'a mut [lucet_value] {
    if count == 0 {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(first, count) }
}

/// The caller ends, if the other instance could not be called.
fn give_up(block: &ControlBlock, done: Result<Result<()>, guard::Panicked>) {
    let code = match done {
        Ok(Ok(())) => return,
        Ok(Err(failure)) if failure.status != Status::NoMemory => TrapCode::Host,
        Ok(Err(_)) | Err(_) => TrapCode::Resource,
    };
    if block.request.get() == Request::None {
        block.ask(Request::Trap(u32::from(code.number())));
    }
}

/// A call of what a reference abroad is to, if it has a type of the caller's module. The arguments are in cells on the guest's stack, and
/// the results go there.
pub(crate) fn call_reference(
    block: &'static ControlBlock,
    inner: &Inner,
    reference: u64,
    function_type: u32,
    cells: usize,
) -> Option<()> {
    let image = inner.image();
    let wanted = image.function_types().get(function_type as usize)?;
    let (taken, given) = (wanted.parameters as usize, wanted.results as usize);
    let cells = exception::cells(block, cells, taken.max(given))?;
    let done = guard::catch(|| {
        let (callee, number) = match reference::find(reference) {
            Some((owner, number)) => (Side::new(owner)?, number),
            None => return Err(gone()),
        };
        let caller = Side::new(block)?;
        let target = Target::numbered(callee.inner, number)?;
        if !same_type(caller.inner, &wanted, callee.inner, &target.function_type) {
            block.ask(Request::Trap(u32::from(TrapCode::CallType.number())));
            return Ok(());
        }
        let mut values = call::values(taken + given)?;
        let (arguments, results) = values.split_at_mut(taken);
        for (index, kind) in image.parameters(&wanted).enumerate() {
            // SAFETY: there are as many cells on the guest's stack, where compiled code has stored the arguments.
            let bits = u128::from_le_bytes(unsafe { *cells.add(index) });
            arguments[index] = lucet_value::from_bits(kind.number(), call::narrow(kind, bits));
        }
        if !cross(caller, callee, &target, arguments, results)? {
            return Ok(());
        }
        for (index, (kind, value)) in image.results(&wanted).zip(results).enumerate() {
            let bits = call::narrow(kind, value.bits());
            // SAFETY: as above.
            unsafe { cells.add(index).write(bits.to_le_bytes()) };
        }
        Ok(())
    });
    give_up(block, done);
    Some(())
}

fn gone() -> Error {
    error!(
        Status::Stale,
        "the instance whose function is referred to has been reset or released"
    )
}

fn same_type(one: &Inner, first: &FunctionType, other: &Inner, second: &FunctionType) -> bool {
    let (one, other) = (one.image(), other.image());
    one.parameters(first).eq(other.parameters(second))
        && one.results(first).eq(other.results(second))
}

/// Has the callee run, and brings the results, or whatever else has come of it, back to the caller. Answers whether there are results.
fn cross(
    caller: Side,
    callee: Side,
    target: &Target,
    arguments: &[lucet_value],
    results: &mut [lucet_value],
) -> Result<bool> {
    let mut carried = call::values(arguments.len())?;
    carried.copy_from_slice(arguments);
    carry(&mut carried, caller, callee)?;
    call::check_depth(caller.block, caller.inner)?;
    let Some(outcome) = enter(caller, callee, target, &carried)? else {
        return Ok(false);
    };
    if outcome.kind != LUCET_RETURNED {
        return end(caller, callee, &outcome).map(|()| false);
    }
    // SAFETY: the outcome of a run that has returned points at its values, which are the callee's until its next entry.
    let values = unsafe { slice(outcome.values, outcome.value_count) };
    results.copy_from_slice(values);
    carry(results, callee, caller)?;
    Ok(true)
}

/// Makes references to functions what the other side knows them as.
fn carry(values: &mut [lucet_value], from: Side, to: Side) -> Result<()> {
    const FUNCREF: u32 = ValueType::Funcref as u32;
    for value in values.iter_mut().filter(|value| value.r#type == FUNCREF) {
        let bits = reference::carry(value.bits() as u64, from.block, to.block)?;
        *value = lucet_value::from_bits(ValueType::Funcref.number(), u128::from(bits));
    }
    Ok(())
}

/// Runs the callee. `None`: the caller is to be left, so it has not run.
fn enter(
    caller: Side,
    callee: Side,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<Option<lucet_outcome>> {
    let block = caller.block;
    let nested = can_enter(&callee)?;
    let theirs = &callee.block.bridge;
    // The links that signal handlers follow never lead in a circle: one that is nested begins anew.
    let way_here = if nested {
        theirs.swap(std::ptr::null_mut(), Ordering::AcqRel)
    } else {
        std::ptr::null_mut()
    };
    let there = std::ptr::from_ref(callee.block).cast_mut();
    let before = block.bridge.swap(there, Ordering::AcqRel);
    block.bridges.set(block.bridges.get() + 1);
    if let Some(runner) = thread::runner().filter(|_| block.timed.get()) {
        timing::begin_nested(block, runner);
    }
    // A handler on this thread finds the bridge from here on; what came before it is seen by this look.
    compiler_fence(Ordering::SeqCst);
    let entered = if block.stops() & stop::FINAL != 0 {
        Ok(None)
    } else if nested {
        run_nested(&callee, target, arguments).map(Some)
    } else {
        callee.block.bridged.set(true);
        let outcome = run::enter_linked(callee.block, callee.inner, target, arguments);
        callee.block.bridged.set(false);
        outcome.map(Some)
    };
    block.bridge.store(before, Ordering::Release);
    block.bridges.set(block.bridges.get() - 1);
    compiler_fence(Ordering::SeqCst);
    if nested {
        theirs.store(way_here, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
        // What was to stop it has not found the way back here.
        if callee.block.stops() & stop::FINAL != 0 {
            block.raise(stop::LINKED);
        }
    } else {
        callee.block.lower(stop::LINKED);
    }
    if block.timed.get() {
        timing::end_nested(block);
    }
    entered
}

/// Whether the callee is in a host function on this thread, so that its run is nested; else it must be ready.
fn can_enter(callee: &Side) -> Result<bool> {
    let here = thread::runner().map_or(0, |runner| std::ptr::from_ref(runner) as usize);
    let block = callee.block;
    match block.state() {
        state::READY => Ok(false),
        state::HOST if here != 0 && block.runner.load(Ordering::Acquire) == here => Ok(true),
        _ => Err(error!(
            Status::Running,
            "the linked instance can not be entered: it has been stopped, waits, or runs on another thread"
        )),
    }
}

fn run_nested(callee: &Side, target: &Target, arguments: &[lucet_value]) -> Result<lucet_outcome> {
    let (block, inner) = (callee.block, callee.inner);
    if block.request.get() != Request::None || throw::has_thrown(inner) {
        return Err(error!(
            Status::BadState,
            "the linked instance is about to end"
        ));
    }
    call::check_depth(block, inner)?;
    let record = call::enter_nested(block, inner, target, arguments)?;
    Ok(record.to_abi(block, inner))
}

/// Ends the caller as the callee has ended.
fn end(caller: Side, callee: Side, outcome: &lucet_outcome) -> Result<()> {
    let block = caller.block;
    if block.stops() & stop::FINAL != 0 || block.request.get() == Request::Unwind {
        return Ok(());
    }
    match outcome.kind {
        LUCET_TRAPPED => {
            let record = latest(callee.block, callee.inner);
            match uncaught::reference(&record).filter(|_| !callee.is(&caller)) {
                Some(exception) => return pass_on(caller, callee, exception),
                None => block.ask(Request::Trap(outcome.detail)),
            }
        }
        LUCET_TERMINATED => {
            let detail = match outcome.detail {
                // What stops the caller is still there, but for the limit of what is nested in it.
                LUCET_STOP_LINKED => LUCET_STOP_NESTED,
                detail => detail,
            };
            block.ask(Request::Terminate(detail, outcome.token));
        }
        _ => return Err(gone()),
    }
    Ok(())
}

/// An exception that the callee has not caught goes on in the caller. The callee can be entered again: it has only returned in another
/// way.
fn pass_on(caller: Side, callee: Side, exception: u64) -> Result<()> {
    let thrown = exception::copy(callee.inner, exception, caller.inner);
    crate::instance::outcome::forgive(callee.block, callee.inner);
    match thrown {
        Ok(reference) => throw::send(caller.block, caller.inner, reference),
        Err(code) => {
            caller.block.ask(Request::Trap(u32::from(code.number())));
            Ok(())
        }
    }
}
