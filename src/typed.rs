//! Typed entries: what `LUCET_FIND` gives out. C calls a stub in the module with the guest function's own parameters;
//! the stub names its export and jumps to `context::typed_entry`, which brings the registers here.
//!
//! The types were compared when the entry was looked up, so here only the instance is checked. Functions whose arguments all
//! travel in registers do not even come here: `typed_fast` in `context` enters them by itself, and only asks [`left`] what to
//! make of a guest that did not return.

use crate::abi::{LUCET_NOT_RUN, LUCET_RETURNED, lucet_value};
use crate::arguments::Arguments;
use crate::context::Spill;
use crate::control::ControlBlock;
use crate::error::{Result, Status, error};
use crate::guard;
use crate::instance::waiting::Way;
use crate::instance::{Handle, Live, live, run, target, timed};
use crate::thread;
use lucet_format::value::ValueType;
use std::sync::atomic::Ordering;

/// The most parameters that a typed entry has.
pub const PARAMETERS: usize = 12;

/// The rest of a typed call: `(instance, result *, parameters...)` as C passed them. Answers the outcome's kind.
///
/// # Safety
///
/// Called by `typed_entry` only, from a stub whose entry was looked up with the types of this call.
pub unsafe extern "C" fn enter(
    spill: *mut Spill,
    stack: *const u64,
    export: u32,
    image: usize,
) -> u64 {
    let done = guard::catch(|| {
        // SAFETY: `typed_entry` passes its own stack frame.
        let spill = unsafe { &*spill };
        // SAFETY: the caller's promise.
        unsafe { call(spill, stack, export, image) }
    });
    match done {
        Ok(Ok(kind)) => u64::from(kind),
        Ok(Err(_)) => u64::from(LUCET_NOT_RUN),
        Err(_) => {
            let _ = error!(Status::Poisoned, "an internal error in a typed call");
            u64::from(LUCET_NOT_RUN)
        }
    }
}

/// In the registers of a function's result: the outcome's kind, and nothing where a call that returned leaves its control block.
#[repr(C)]
pub struct Left {
    kind: u64,
    block: usize,
}

/// The end of a short typed call of `export` that did not return: trapped or stopped, as `code` ([`crate::control::exit`]) says.
///
/// # Safety
///
/// Called by `typed_fast` only, with the block that it entered.
pub unsafe extern "C" fn left(block: *const ControlBlock, code: u32, export: u32) -> Left {
    // SAFETY: the caller's promise; blocks live for ever.
    let block: &'static ControlBlock = unsafe { &*block };
    let settle = || {
        let inner = Live { block }.inner()?;
        // The stub is that of an exported function.
        let export = inner.image().exports().get(export as usize);
        let function = export.map_or(u32::MAX, |export| export.index);
        run::settle_short(block, code, function, Way::Registers)
    };
    let kind = match guard::catch(settle) {
        Ok(Ok(outcome)) => {
            keep_token(outcome.token);
            outcome.kind
        }
        Ok(Err(_)) => LUCET_NOT_RUN,
        Err(_) => {
            let _ = error!(Status::Poisoned, "an internal error in a typed call");
            LUCET_NOT_RUN
        }
    };
    Left {
        kind: u64::from(kind),
        block: 0,
    }
}

/// For callers who want more than the kind.
fn keep_token(token: u64) {
    if let Some(runner) = thread::runner() {
        runner.token.store(token, Ordering::Relaxed);
    }
}

/// # Safety
///
/// As [`enter`].
unsafe fn call(spill: &Spill, stack: *const u64, export: u32, image: usize) -> Result<u32> {
    let [handle, result, ..] = spill.integers;
    let (_, inner) = live(Handle(handle))?;
    if inner.module.code.base() != image {
        return Err(error!(
            Status::BadArgument,
            "the entry belongs to another module than the instance"
        ));
    }
    let Some(func) = inner.module.code.func_of_export(export)? else {
        return Err(error!(
            Status::NotFound,
            "the module has no exported function {export}"
        ));
    };
    let function_type = target::Target::func(inner, func)?.function_type;
    let mut bits = 0;
    let [_, _, words @ ..] = spill.integers;
    let kind = timed::call_words(handle, func, &words, &mut bits);
    if kind != LUCET_NOT_RUN {
        if kind == LUCET_RETURNED && function_type.results == 1 && result != 0 {
            let value_type = inner.image().results(&function_type).next();
            let number = value_type.map_or(0, ValueType::number);
            let value = lucet_value::from_bits(number, u128::from(bits));
            // SAFETY: the C type of `result` is that of the function's result, as the lookup has checked.
            unsafe { store(result, value_type, &value) };
        }
        return Ok(kind);
    }
    let mut values = [lucet_value::from_bits(0, 0); PARAMETERS];
    // SAFETY: the caller's promise: the call has these parameters.
    let mut arguments = unsafe { Arguments::new(spill, stack, 2) };
    let mut count = 0;
    for (value, parameter) in values
        .iter_mut()
        .zip(inner.image().parameters(&function_type))
    {
        *value = lucet_value::from_bits(parameter.number(), arguments.next(parameter));
        count += 1;
    }
    let outcome = run::call(Handle(handle), func, &values[..count])?;
    keep_token(outcome.token);
    if outcome.kind == LUCET_RETURNED && outcome.value_count == 1 && result != 0 {
        // SAFETY: one value was returned.
        let value = unsafe { *outcome.values };
        // SAFETY: the C type of `result` is that of the function's result, as the lookup has checked.
        unsafe { store(result, inner.image().results(&function_type).next(), &value) };
    }
    Ok(outcome.kind)
}

/// # Safety
///
/// `to` is the address of an object of the result's C type.
unsafe fn store(to: u64, result: Option<ValueType>, value: &lucet_value) {
    let bits = value.bits() as u64;
    match result {
        // SAFETY: the caller's promise.
        Some(ValueType::V128) => unsafe { (to as *mut u128).write_unaligned(value.bits()) },
        // SAFETY: the caller's promise.
        Some(ValueType::I32 | ValueType::F32) => unsafe { (to as *mut u32).write(bits as u32) },
        // SAFETY: the caller's promise.
        Some(_) => unsafe { (to as *mut u64).write(bits) },
        None => {}
    }
}
