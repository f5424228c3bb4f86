//! A call of a host function, from its inside: whose it is, ending the guest, calling back into it.
//!
//! A `lucet_call *` is the control block of the calling instance. It is good while the host function runs, which the
//! state word says; used later it is a status, as far as that can be told.
//!
//! Callbacks run the same guest again, below its own frames on its stack:
//!
//! ```text
//!   guest's stack      | outer guest frames | host_call | 128 bytes | nested guest frames ...
//!                                                       ^ guest_sp   ^ entry_sp of the nested entry
//! ```
//!
//! When a nested run ends badly the outer guest ends the same way as soon as its host function returns, unless the
//! host says `keep`.

pub mod throw;

use crate::abi::{LUCET_RETURNED, lucet_call, lucet_funcref, lucet_outcome, lucet_value};
use crate::arguments::Arguments;
use crate::context::Spill;
use crate::control::{ControlBlock, ImportTarget, Request, state};
use crate::error::{Error, Result, Status, error};
use crate::instance::outcome::Record;
use crate::instance::run::{check_arguments, enter};
use crate::instance::target::Target;
use crate::instance::{Handle, Inner, Live};
use crate::module::Func;
use crate::{guard, thread, timing};
use lucet_format::image::records::FunctionType;
use lucet_format::runtime::RESULT_STRIDE;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

/// Bytes of the outer guest's stack that a nested entry leaves alone.
const RED_ZONE: usize = 128;

/// The block of a call that is going on.
fn block_of(call: *const lucet_call) -> Result<&'static ControlBlock> {
    if call.is_null() {
        return Err(error!(Status::NullArgument, "the lucet_call is NULL"));
    }
    // SAFETY: the host passes what its function was given: a control block, and these live for ever.
    let block = unsafe { &*call.cast::<ControlBlock>() };
    match block.state() {
        state::HOST | state::LEAF => Ok(block),
        _ => Err(error!(
            Status::BadState,
            "the lucet_call is used outside of its host function"
        )),
    }
}

/// The instance that calls.
///
/// # Errors
///
/// `NullArgument`, `BadState`.
pub fn instance(call: *const lucet_call) -> Result<Handle> {
    Ok(Handle(block_of(call)?.handle.load(Ordering::Relaxed)))
}

/// What the definition of the host function was given.
///
/// # Errors
///
/// As [`instance`].
pub fn data(call: *const lucet_call) -> Result<*mut c_void> {
    Ok(block_of(call)?
        .called()
        .map_or(std::ptr::null_mut(), |row| row.data.cast()))
}

/// What the instance was given.
///
/// # Errors
///
/// As [`instance`].
pub fn instance_data(call: *const lucet_call) -> Result<*mut c_void> {
    Ok(Live {
        block: block_of(call)?,
    }
    .inner()?
    .data)
}

fn request(call: *const lucet_call, wanted: Request) -> Result<()> {
    let block = block_of(call)?;
    if block.state() == state::LEAF {
        return Err(error!(
            Status::BadState,
            "a leaf host function cannot stop its guest"
        ));
    }
    block.ask(wanted);
    Ok(())
}

/// Suspends the guest when the host function returns.
///
/// # Errors
///
/// As [`instance`]; `BadState` in a leaf, in a callback, whose caller could not be left, and after the guest's end was asked for.
pub fn suspend(call: *const lucet_call, token: u64) -> Result<()> {
    let block = block_of(call)?;
    if block.nested.get() > 0 || block.bridged.get() {
        return Err(error!(
            Status::BadState,
            "a guest cannot be suspended in a callback, or when another instance has called it: that caller has not returned"
        ));
    }
    let thrown = throw::has_thrown(Live { block }.inner()?);
    if thrown || !matches!(block.request.get(), Request::None | Request::Suspend(_)) {
        return Err(error!(
            Status::BadState,
            "the guest's end or an exception has been asked for: it cannot be suspended any more"
        ));
    }
    request(call, Request::Suspend(token))
}

/// Ends the guest when the host function returns. `kind` is a `LUCET_STOP_*`.
///
/// # Errors
///
/// As [`instance`]; `BadState` in a leaf.
pub fn terminate(call: *const lucet_call, kind: u32, reason: u64) -> Result<()> {
    request(call, Request::Terminate(kind, reason))
}

/// Ends the guest with a trap when the host function returns.
///
/// # Errors
///
/// `BadArgument` for a number that is no trap; as [`terminate`].
pub fn trap(call: *const lucet_call, code: u32) -> Result<()> {
    if TrapCode::from_number(code).is_none() {
        return Err(error!(
            Status::BadArgument,
            "{code} is not the number of a trap"
        ));
    }
    request(call, Request::Trap(code))
}

/// Calls an export of the calling instance.
///
/// # Errors
///
/// `Depth`: too many callbacks are nested or too little host stack is left; the guest traps with it when the host function
/// returns. `BadState` in a leaf or after the guest's end was asked for. `NotFound`, `TypeMismatch`, `BadArgument`.
pub fn run(
    call: *const lucet_call,
    name: &[u8],
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    nested(call, arguments, |inner| Target::export(inner, name))
}

/// Calls a function handle on the calling instance.
///
/// # Errors
///
/// As [`run`].
pub fn func(
    call: *const lucet_call,
    func: &Func,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    nested(call, arguments, |inner| Target::func(inner, func))
}

/// Calls what a reference of the calling instance refers to.
///
/// # Errors
///
/// As [`run`].
pub fn funcref(
    call: *const lucet_call,
    reference: lucet_funcref,
    arguments: &[lucet_value],
) -> Result<lucet_outcome> {
    nested(call, arguments, |inner| Target::reference(inner, reference))
}

fn nested(
    call: *const lucet_call,
    arguments: &[lucet_value],
    target: impl FnOnce(&Inner) -> Result<Target>,
) -> Result<lucet_outcome> {
    let block = block_of(call)?;
    let inner = Live { block }.inner()?;
    if block.state() == state::LEAF {
        return Err(error!(
            Status::BadState,
            "a leaf host function cannot call back into its guest"
        ));
    }
    if block.request.get() != Request::None || throw::has_thrown(inner) {
        return Err(error!(
            Status::BadState,
            "the guest's end, suspension or an exception has been asked for: it cannot be called any more"
        ));
    }
    let target = target(inner)?;
    check_arguments(inner, &target.function_type, arguments)?;
    check_depth(block, inner)?;
    let record = enter_nested(block, inner, &target, arguments)?;
    Ok(record.to_abi(block, inner))
}

/// That one more level is allowed and that the host's stack has room for it; else the guest traps.
pub(crate) fn check_depth(block: &ControlBlock, inner: &Inner) -> Result<()> {
    let config = &inner.region.config;
    let here = std::ptr::from_ref(&config) as usize;
    let low = thread::host_stack_low();
    let left = here.saturating_sub(low) as u64;
    let failure = if block.nested.get() >= config.callback_depth {
        error!(
            Status::Depth,
            "{} callbacks into the guest are nested already", config.callback_depth
        )
    } else if low != 0 && left < config.host_stack_bytes {
        error!(
            Status::Depth,
            "only {left} bytes of the host's stack are left"
        )
    } else {
        return Ok(());
    };
    block.ask(Request::Trap(u32::from(TrapCode::Depth.number())));
    Err(failure)
}

pub(crate) fn enter_nested(
    block: &ControlBlock,
    inner: &Inner,
    target: &Target,
    arguments: &[lucet_value],
) -> Result<Record> {
    inner.levels.begin(block)?;
    let guest_sp = block.guest_sp.get();
    block.entry_sp.set((guest_sp - RED_ZONE) & !15);
    // `host_call` has pushed rbp, then rbx, below the return address into the guest.
    block.entry_frame.set(guest_sp + 8);
    if let Some(runner) = thread::runner().filter(|_| block.timed.get()) {
        timing::begin_nested(block, runner);
    }
    inner.views.guest_runs();
    let entered = enter(block, inner, target, arguments);
    inner.views.refresh();
    inner.levels.end(block);
    block.set_state(state::HOST);
    if block.timed.get() {
        timing::end_nested(block);
    }
    if matches!(&entered, Ok(record) if record.kind != LUCET_RETURNED) {
        block.ask(Request::Unwind);
    }
    entered
}

/// An import that nobody defined was called.
pub(crate) fn refuse_missing(call: *mut lucet_call) {
    // The call is going on, so this cannot fail.
    let _ = trap(call, u32::from(TrapCode::Host.number()));
}

/// Small calls keep their values on the stack.
const INLINE: usize = 16;

/// A call of a host function with dynamic types: `(lucet_call *, [results *], parameters...)` as the guest passed
/// them. Answers an integer result; a float one goes to `spill.floats[0]`.
///
/// # Safety
///
/// Called by `dynamic_thunk` only.
pub unsafe extern "C" fn dynamic(spill: *mut Spill, stack: *const u64, _: u32, _: u64) -> u64 {
    // SAFETY: `dynamic_thunk` passes its own stack frame.
    let spill = unsafe { &mut *spill };
    let call = spill.integers[0] as *mut lucet_call;
    // SAFETY: the caller's promise: these are the arguments of an import's call.
    let done = guard::catch(|| unsafe { dynamic_call(call, spill, stack) });
    match done {
        Ok(Ok(bits)) => bits,
        _ => {
            // Without memory for its arguments, or after an internal error, the call cannot be made.
            let _ = trap(call, u32::from(TrapCode::Resource.number()));
            0
        }
    }
}

/// # Safety
///
/// As [`dynamic`].
unsafe fn dynamic_call(call: *mut lucet_call, spill: &mut Spill, stack: *const u64) -> Result<u64> {
    let block = block_of(call)?;
    let inner = Live { block }.inner()?;
    let image = inner.image();
    let row = block
        .called()
        .ok_or_else(|| error!(Status::BadState, "no import is being called"))?;
    let function = image.functions().get(row.index as usize);
    let function_type = function
        .and_then(|function| image.function_types().get(function.function_type as usize))
        .ok_or_else(|| error!(Status::BadModule, "import {} has no type", row.index))?;
    let total = function_type.parameters as usize + function_type.results as usize;
    let mut inline = [lucet_value::from_bits(0, 0); INLINE];
    let mut heap;
    let values: &mut [lucet_value] = if total <= INLINE {
        &mut inline[..total]
    } else {
        heap = values(total)?;
        &mut heap
    };
    let poison = row.flags & ImportTarget::POISON != 0;
    if poison && !inner.views.begin(stack as usize) {
        return Err(Error::no_memory("a call whose views are poisoned"));
    }
    // SAFETY: the caller's promise.
    unsafe { convert_and_call(call, inner, &row, &function_type, spill, stack, values) };
    if poison {
        inner.views.finish(stack as usize);
    }
    Ok(spill.integers[0])
}

/// Makes the arrays, calls the host, and puts the results where the guest expects them.
///
/// # Safety
///
/// As [`dynamic`]; `values` has room for parameters and results of the type.
unsafe fn convert_and_call(
    call: *mut lucet_call,
    inner: &Inner,
    row: &ImportTarget,
    function_type: &FunctionType,
    spill: &mut Spill,
    stack: *const u64,
    values: &mut [lucet_value],
) {
    let image = inner.image();
    let through_pointer = function_type.results >= 2;
    let cells = spill.integers[1];
    let (parameters, results) = values.split_at_mut(function_type.parameters as usize);
    // SAFETY: the compiler passes an import's arguments in this order.
    let mut arguments =
        unsafe { Arguments::new(spill, stack, if through_pointer { 2 } else { 1 }) };
    for (value, parameter) in parameters.iter_mut().zip(image.parameters(function_type)) {
        *value = lucet_value::from_bits(parameter.number(), arguments.next(parameter));
    }
    for (value, result) in results.iter_mut().zip(image.results(function_type)) {
        *value = lucet_value::from_bits(result.number(), 0);
    }
    // SAFETY: linking stores functions of this type in rows of dynamic definitions.
    let function = unsafe {
        std::mem::transmute::<
            *const (),
            unsafe extern "C" fn(
                *mut lucet_call,
                *mut c_void,
                *const lucet_value,
                *mut lucet_value,
            ),
        >(row.dynamic)
    };
    // SAFETY: the arrays have as many values as the type says, and live until the host function returns.
    guard::outside(|| unsafe {
        function(
            call,
            row.data.cast(),
            parameters.as_ptr(),
            results.as_mut_ptr(),
        )
    });
    for (index, (value, result)) in results.iter().zip(image.results(function_type)).enumerate() {
        let bits = narrow(result, value.bits());
        if through_pointer {
            let cell = (cells + index as u64 * u64::from(RESULT_STRIDE)) as *mut [u8; 16];
            // SAFETY: the guest has passed the address of as many cells, on its own stack.
            unsafe { cell.write(bits.to_le_bytes()) };
        } else if result.is_float_class() {
            spill.floats[0] = bits;
        } else {
            spill.integers[0] = bits as u64;
        }
    }
}

/// So many values.
pub(crate) fn values(count: usize) -> Result<Vec<lucet_value>> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(count)
        .map_err(|_| Error::no_memory("the values of a call"))?;
    values.resize(count, lucet_value::from_bits(0, 0));
    Ok(values)
}

/// The bits that belong to a value of this type.
pub(crate) fn narrow(value_type: ValueType, bits: u128) -> u128 {
    match value_type {
        ValueType::I32 | ValueType::F32 => bits & 0xffff_ffff,
        ValueType::V128 => bits,
        _ => bits & u128::from(u64::MAX),
    }
}
