//! Entering a guest: by name, by function handle, by reference, and what precedes the first entry.
//!
//! An entry is: find the target, check the arguments, be sure that the thread is attached, instantiate if that has not
//! happened, copy the arguments into the slot's value array, change stacks, and say how it ended. Nothing on
//! the way allocates, locks or makes a system call once the thread is attached.

use super::outcome::{NOT_RUN, Record, conclude, remember, trapped};
use super::target::Target;
use super::timed;
use super::waiting::{Pending, Way, state_after};
use super::{Handle, Inner, Live, live};
use super::{exception, segments};
use crate::abi::{LUCET_RETURNED, lucet_funcref, lucet_outcome, lucet_v128, lucet_value};
use crate::control::{ControlBlock, Trap, state, stop};
use crate::error::{Error, Result, Status, error};
use crate::linking::reference;
use crate::module::{Func, signature};
use crate::running::Runner;
use crate::{context, thread, timing};
use lucet_format::image::NONE;
use lucet_format::image::records::FunctionType;
use lucet_format::value::ValueType;
use std::sync::atomic::Ordering;

/// Does what instantiation does beyond [`super::create`]: the first entry does it anyway.
///
/// # Errors
///
/// As [`run`].
pub fn start(handle: Handle) -> Result<lucet_outcome> {
    let (block, inner) = ready(handle)?;
    let outcome = instantiate(block, inner, None)?;
    Ok(outcome.unwrap_or(lucet_outcome {
        kind: LUCET_RETURNED,
        ..NOT_RUN
    }))
}

/// Calls an exported function by its name.
///
/// # Errors
///
/// `NotFound`, `TypeMismatch`, `BadArgument`, `Running`, `NeedsReset`, `Stale`, `WrongProcess`; the guest has not run then.
pub fn run(handle: Handle, name: &[u8], arguments: &[lucet_value]) -> Result<lucet_outcome> {
    let (block, inner) = ready(handle)?;
    let target = Target::export(inner, name)?;
    enter_first(block, inner, &target, arguments)
}

/// Calls an exported function by its handle.
///
/// # Errors
///
/// As [`run`].
pub fn call(handle: Handle, func: &Func, arguments: &[lucet_value]) -> Result<lucet_outcome> {
    let (block, inner) = ready(handle)?;
    let target = Target::func(inner, func)?;
    enter_first(block, inner, &target, arguments)
}

/// Calls what a function reference refers to.
///
/// # Errors
///
/// As [`run`].
pub fn call_funcref(
    handle: Handle,
    reference: lucet_funcref,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    let (block, inner) = ready(handle)?;
    let target = Target::reference(inner, reference)?;
    enter_first(block, inner, &target, arguments)
}

/// Calls a function for the guest of another instance. The instance is ready, and the arguments are of the right types.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn enter_linked(
    block: &'static ControlBlock,
    inner: &Inner,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    if let Some(outcome) = instantiate(block, inner, None)? {
        return Ok(outcome);
    }
    enter_outermost(block, inner, target, arguments)
}

/// The instance of a handle, if it can be entered.
pub(super) fn ready(handle: Handle) -> Result<(&'static ControlBlock, &'static Inner)> {
    let (block, inner) = live(handle)?;
    match block.state() {
        state::READY => Ok((block, inner)),
        state::STOPPED => Err(error!(
            Status::NeedsReset,
            "the instance trapped or was terminated: reset it, or keep it, before entering it again"
        )),
        now if state::is_running(now) => Err(error!(
            Status::Running,
            "the instance is running: a host function calls back through its lucet_call"
        )),
        state::SUSPENDED | state::PREEMPTED => Err(error!(
            Status::BadState,
            "the instance is in the middle of a run: resume it, or reset it"
        )),
        _ => Err(error!(
            Status::BadState,
            "the instance is being reset or released"
        )),
    }
}

fn enter_first(
    block: &'static ControlBlock,
    inner: &Inner,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    check_arguments(inner, &target.function_type, arguments)?;
    if let Some(outcome) = instantiate(block, inner, Some((target, arguments)))? {
        return Ok(outcome);
    }
    enter_outermost(block, inner, target, arguments)
}

/// What must happen before the first entry, which is for `then`. `Some`: it ended the entry, or made it wait.
fn instantiate(
    block: &'static ControlBlock,
    inner: &Inner,
    then: Option<(&Target, &[lucet_value])>,
) -> Result<Option<lucet_outcome>> {
    if inner.started.get() {
        return Ok(None);
    }
    let trap = segments::apply(block, inner).or(inner.link()?.trap);
    if let Some(code) = trap {
        inner.started.set(true);
        let record = trapped(u32::from(code.number()));
        block.trap.set(Trap {
            code: record.detail,
            ..Trap::NONE
        });
        remember(block, inner, record, false);
        inner.region.counters.count_trap(record.detail);
        return Ok(Some(settle(block, inner, record)));
    }
    let start = inner.image().header().start_function;
    if start == NONE {
        inner.started.set(true);
        return Ok(None);
    }
    let target = Target::function(inner, start)?;
    keep_for_later(inner, then)?;
    let outcome = enter_outermost(block, inner, &target, &[])?;
    let done = outcome.kind == LUCET_RETURNED;
    if done && let Ok(mut pending) = inner.pending.try_borrow_mut() {
        *pending = None;
    }
    Ok((!done).then_some(outcome))
}

/// Should the start function wait, then what was to be entered waits with it.
fn keep_for_later(inner: &Inner, then: Option<(&Target, &[lucet_value])>) -> Result<()> {
    let Some((target, arguments)) = then else {
        return Ok(());
    };
    let mut copy = Vec::new();
    copy.try_reserve_exact(arguments.len())
        .map_err(|_| Error::no_memory("the arguments of the entry"))?;
    copy.extend_from_slice(arguments);
    if let Ok(mut pending) = inner.pending.try_borrow_mut() {
        *pending = Some(Pending {
            target: *target,
            arguments: copy,
        });
    }
    Ok(())
}

/// That the times of the instance can be kept on this thread.
pub(super) fn check_timer(inner: &Inner, runner: &Runner) -> Result<()> {
    if inner.limits.get().time.is_any() && !runner.alarm.exists() {
        return Err(error!(
            Status::System,
            "the system has no timer left for this thread, so limits of time cannot be kept"
        ));
    }
    Ok(())
}

/// The run begins, or goes on, on this thread.
pub(super) fn begin(block: &ControlBlock, inner: &Inner, runner: &'static Runner) {
    block
        .runner
        .store(std::ptr::from_ref(runner) as usize, Ordering::Release);
    let mut allowed = inner.limits.get().time;
    if allowed.slice != 0 && block.bridged.get() {
        // The frame of who has called it is on the host's stack.
        allowed.slice = 0;
    }
    let inside = is_inside(block, runner);
    let timed = allowed.is_any() || inside;
    block.timed.set(timed);
    if timed {
        timing::begin(block, runner, &allowed, inside);
    }
}

/// Whether a host function of the thread's innermost run with times begins this one: what is over for that guest is over for this one, too. Not
/// so when a linked instance is called, which has ways of its own, nor on stacks of the host's making, which tell nothing.
#[inline]
pub(super) fn is_inside(block: &ControlBlock, runner: &Runner) -> bool {
    // SAFETY: a run that this thread is in; blocks live for ever.
    let around = unsafe { runner.current.load(Ordering::Relaxed).as_ref() };
    around.is_some_and(|around| !block.bridged.get() && is_below(around.host_sp()))
}

/// Whether the caller is further down on this thread's own stack.
#[cold]
fn is_below(entered_at: usize) -> bool {
    let local = 0u8;
    let here = std::ptr::from_ref(&local) as usize;
    let (low, high) = thread::host_stack();
    (low..high).contains(&entered_at) && (low..entered_at).contains(&here)
}

/// The run has ended, or waits.
#[inline]
pub(super) fn end(block: &ControlBlock, runner: &Runner) {
    if block.timed.get() {
        timing::end(block, runner);
        block.timed.set(false);
    }
    // Also what was over just when the guest returned, which is nothing to the next entry.
    block.lower(stop::TIMES);
}

/// Publishes what an entry has led to. Whoever waits may be resumed by another thread from here on, so nothing of the instance
/// is touched afterwards.
pub(super) fn settle(block: &ControlBlock, inner: &Inner, record: Record) -> lucet_outcome {
    let outcome = record.to_abi(block, inner);
    if record.ran && !inner.started.get() {
        // Whoever comes here has instantiated, or is about it.
        inner.started.set(true);
        inner.allow_short_entries(block);
    }
    block.set_state(state_after(&record));
    outcome
}

/// An entry from outside. The arguments have been checked.
pub(super) fn enter_outermost(
    block: &ControlBlock,
    inner: &Inner,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    let runner = thread::ensure_attached()?;
    check_timer(inner, runner)?;
    block.entries.set(block.entries.get() + 1);
    begin(block, inner, runner);
    let entered = enter(block, inner, target, arguments);
    end(block, runner);
    match entered {
        Ok(record) => Ok(settle(block, inner, record)),
        Err(failure) => {
            // The guest has not run.
            block.set_state(state::READY);
            Err(failure)
        }
    }
}

/// The end of a short entry into a function that did not return. Answers the outcome.
///
/// # Errors
///
/// None that can happen: the instance was there when it was entered.
pub(crate) fn settle_short(
    block: &'static ControlBlock,
    left: u32,
    function: u32,
    way: Way,
) -> Result<lucet_outcome> {
    let inner = Live { block }.inner()?;
    let target = Target::function(inner, function)?;
    let record = conclude(block, inner, left, &target.function_type, way);
    if block.timed.get() {
        timed::close(block);
    }
    Ok(settle(block, inner, record))
}

/// Enters the guest at `block.entry_sp`. The arguments have been checked, the thread is attached; the caller
/// settles the state.
pub(crate) fn enter(
    block: &ControlBlock,
    inner: &Inner,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<Record> {
    let adapter = target.function_type.adapter;
    if adapter == NONE {
        return Err(error!(
            Status::NotFound,
            "the module has no way into functions of this type"
        ));
    }
    let values = inner.region.values_of(block);
    // SAFETY: parsing has checked that functions with an adapter have at most the contract's number of values, and
    // `admit` that the region offers as many; nobody else uses the slot's array during an entry.
    unsafe { values.copy_from(arguments.as_ptr(), arguments.len()) };
    block.trap.set(Trap::NONE);
    block.set_state(state::ENTERING);
    // SAFETY: adapter and code lie in the module's text, as parsing has checked; the control block describes the instance
    // since `create`; the callers have attached the thread and hold the instance.
    let left = unsafe { enter_adapter(block, adapter, target.code, values) };
    let record = conclude(block, inner, left, &target.function_type, Way::Adapter);
    if record.kind == LUCET_RETURNED {
        write_types(inner, &target.function_type, values);
    }
    Ok(record)
}

/// Changes to the guest.
///
/// # Safety
///
/// As [`context::enter`]; the offsets are of the adapter and the code of a function of the instance's module.
pub(super) unsafe fn enter_adapter(
    block: &ControlBlock,
    adapter: u32,
    code: u32,
    values: *mut lucet_value,
) -> u32 {
    let text = block.text.get();
    // SAFETY: the caller's promise.
    unsafe {
        context::enter(
            block,
            text + adapter as usize,
            text + code as usize,
            values as usize,
        )
    }
}

/// Adapters store contents only.
pub(super) fn write_types(inner: &Inner, function_type: &FunctionType, values: *mut lucet_value) {
    for (index, result) in inner.image().results(function_type).enumerate() {
        // SAFETY: there is room for every result, see `enter`.
        write_type(
            unsafe { &mut *values.add(index) },
            u32::from(result.number()),
        );
    }
}

/// Makes a value of what an adapter has stored: its type, and the bits that belong to it, the rest zero.
#[inline]
pub(super) fn write_type(value: &mut lucet_value, number: u32) {
    const VECTOR: u32 = ValueType::V128 as u32;
    const INTEGER: u32 = ValueType::I32 as u32;
    const FLOAT: u32 = ValueType::F32 as u32;
    value.r#type = number;
    value.reserved = 0;
    if number == VECTOR {
        return;
    }
    // SAFETY: adapters store all of the low half, and every content of it is a number. The high half is not read: it would
    // have to wait for that store.
    let low = unsafe { value.of.i64 } as u64;
    let lo = if number == INTEGER || number == FLOAT {
        low & 0xffff_ffff
    } else {
        low
    };
    value.of.v128 = lucet_v128 { lo, hi: 0 };
}

/// That arguments have the types that a function wants.
pub(crate) fn check_arguments(
    inner: &Inner,
    function_type: &FunctionType,
    arguments: &[lucet_value],
) -> Result<()> {
    let image = inner.image();
    let wanted = signature::Display::new(&image, function_type);
    if arguments.len() != function_type.parameters as usize {
        return Err(error!(
            Status::TypeMismatch,
            "{} arguments for a function of type {wanted}",
            arguments.len()
        ));
    }
    for (index, (parameter, argument)) in image.parameters(function_type).zip(arguments).enumerate()
    {
        if argument.r#type != u32::from(parameter.number()) {
            return Err(error!(
                Status::TypeMismatch,
                "argument {index} has type number {}, the function is of type {wanted}",
                argument.r#type
            ));
        }
        check_value(inner, parameter, argument)?;
    }
    Ok(())
}

/// That a value the host gives is one that the guest may have.
pub(crate) fn check_value(inner: &Inner, value_type: ValueType, value: &lucet_value) -> Result<()> {
    if value_type == ValueType::Exnref {
        return exception::check(inner, value.bits() as u64);
    }
    let known = inner.image().funcrefs().len() as u64;
    let number = value.bits() as u64;
    // Listed elements of tables may be behind the functions.
    let own = number < known && !reference::is_foreign(number);
    if value_type == ValueType::Funcref && !own && reference::find(number).is_none() {
        return Err(error!(
            Status::BadArgument,
            "this is no function reference of the instance"
        ));
    }
    Ok(())
}
