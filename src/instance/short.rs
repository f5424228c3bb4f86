//! The short way into a guest by a function handle: everything is as it mostly is, or the caller takes the long way, which looks
//! at each thing and has a sentence for it.
//!
//! Nothing here panics, allocates or makes a system call, so it runs outside of the guard for panics.

use super::outcome::{self, NOT_RUN};
use super::run::{enter_adapter, settle_short, write_type};
use super::waiting::Way;
use crate::abi::{
    LUCET_NOT_RUN, LUCET_PREEMPTED, LUCET_RETURNED, LUCET_SUSPENDED, lucet_outcome, lucet_v128,
    lucet_value,
};
use crate::control::{exit, state};
use crate::module::Func;
use crate::module::short::Short;
use crate::{directory, process, thread};
use lucet_format::runtime::{FAST_FLOATS, FAST_INTEGERS};
use lucet_format::value::ValueType;
use std::sync::atomic::Ordering;

/// Calls a function, if nothing is out of the ordinary: the instance is live, ready and instantiated, of the function's module and
/// of this process; the thread is prepared; the arguments have the right types. False: nothing has happened.
/// The outcome is written in place: what is written in parts and copied as a whole at once has to wait for all of them.
#[inline]
pub fn call(handle: u64, func: &Func, arguments: &[lucet_value], out: &mut lucet_outcome) -> bool {
    let Some(short) = func.short.as_ref().filter(|short| short.accepts(arguments)) else {
        return false;
    };
    let done = match short.stub {
        Some(stub) => through_stub(handle, short, stub, arguments, out),
        None => through_adapter(handle, func, short, arguments, out),
    };
    done.is_some()
}

/// What a typed stub is, for a caller who does not know which of its parameter registers it takes: all of them are passed.
type Integers = unsafe extern "C" fn(u64, *mut u64, u64, u64, u64, u64) -> u32;
/// The same with floats.
type Floats = unsafe extern "C" fn(
    u64,
    *mut u64,
    u64,
    u64,
    u64,
    u64,
    f64,
    f64,
    f64,
    f64,
    f64,
    f64,
    f64,
    f64,
) -> u32;

/// Calls through the export's typed stub, which looks at handle, module, process and thread by itself.
#[inline]
fn through_stub(
    handle: u64,
    short: &Short,
    stub: usize,
    arguments: &[lucet_value],
    out: &mut lucet_outcome,
) -> Option<()> {
    let block = directory::resolve(handle)?;
    let mut result = 0u64;
    let kind = if short.takes_floats {
        with_floats(handle, stub, &mut result, arguments)?
    } else {
        let word = |index: usize| {
            arguments
                .get(index)
                .map_or(0, |argument| content(argument).0)
        };
        // SAFETY: the address of a typed stub of at most these parameters; the result is at most as wide as the variable. Whatever the
        // handle is, the stub answers.
        unsafe {
            std::mem::transmute::<usize, Integers>(stub)(
                handle,
                &raw mut result,
                word(0),
                word(1),
                word(2),
                word(3),
            )
        }
    };
    match kind {
        LUCET_RETURNED if block.quiet.get() != 0 => {
            let values = block.values.get();
            let results = short.results();
            if let Some(number) = results.first() {
                // SAFETY: the region offers a value at least.
                put_result(unsafe { &mut *values }, *number, &result);
                block.quiet_values.set(1);
            }
            returned(out, values, results.len());
        }
        // The long way finds out again why, and has a status for it.
        LUCET_NOT_RUN => return None,
        // The instance is not looked at: another thread may have resumed it.
        LUCET_SUSPENDED | LUCET_PREEMPTED => {
            *out = NOT_RUN;
            out.kind = kind;
            out.token = thread::runner().map_or(0, |runner| runner.token.load(Ordering::Relaxed));
        }
        _ => *out = outcome::of(block),
    }
    Some(())
}

/// Writes the outcome of a call that returned.
#[inline]
fn returned(out: &mut lucet_outcome, values: *const lucet_value, count: usize) {
    out.kind = LUCET_RETURNED;
    out.detail = 0;
    out.token = 0;
    out.values = values;
    out.value_count = count;
    out.cpu_ns = 0;
    out.reserved = [0; 3];
}

/// Makes a value of what a stub has written, which is no more bytes than the result has: reading more would wait for them.
#[inline]
fn put_result(value: &mut lucet_value, number: u32, result: &u64) {
    let narrow = number == INTEGER || number == FLOAT;
    let bits = if narrow {
        // SAFETY: the first half of a variable of eight bytes.
        u64::from(unsafe { std::ptr::from_ref(result).cast::<u32>().read_volatile() })
    } else {
        *result
    };
    value.r#type = number;
    value.reserved = 0;
    value.of.v128 = lucet_v128 { lo: bits, hi: 0 };
}

/// Calls a stub that takes floats. System V passes them in registers of their own, in the order of the parameters.
fn with_floats(
    handle: u64,
    stub: usize,
    result: &mut u64,
    arguments: &[lucet_value],
) -> Option<u32> {
    let mut integers = [0u64; FAST_INTEGERS];
    let mut floats = [0f64; FAST_FLOATS];
    let (mut integer, mut float) = (integers.iter_mut(), floats.iter_mut());
    for argument in arguments {
        match content(argument) {
            (bits, true) => *float.next()? = f64::from_bits(bits),
            (bits, false) => *integer.next()? = bits,
        }
    }
    let [a, b, c, d] = integers;
    let [e, f, g, h, i, j, k, l] = floats;
    // SAFETY: as in `through_stub`.
    Some(unsafe {
        std::mem::transmute::<usize, Floats>(stub)(
            handle, result, a, b, c, d, e, f, g, h, i, j, k, l,
        )
    })
}

/// The bits of a value of 64 bits or less, and whether it travels as a float. Reads as many bytes as the type has, since the caller may
/// just have written no more, and loads that cover several stores wait for all of them.
#[inline]
fn content(value: &lucet_value) -> (u64, bool) {
    const DOUBLE: u32 = ValueType::F64 as u32;
    // SAFETY: C has written the part of the payload that belongs to the type.
    unsafe {
        match value.r#type {
            INTEGER => (u64::from(value.of.i32 as u32), false),
            FLOAT => (u64::from(value.of.i32 as u32), true),
            DOUBLE => (value.of.i64 as u64, true),
            _ => (value.of.i64 as u64, false),
        }
    }
}

const INTEGER: u32 = ValueType::I32 as u32;
const FLOAT: u32 = ValueType::F32 as u32;

/// Calls through the adapter of the function's type.
fn through_adapter(
    handle: u64,
    func: &Func,
    short: &Short,
    arguments: &[lucet_value],
    out: &mut lucet_outcome,
) -> Option<()> {
    let block = directory::resolve(handle)?;
    let ordinary = block.state() == state::READY
        && block.image.get() == func.base
        && block.token.get() == process::current();
    if !ordinary {
        return None;
    }
    let runner = thread::runner()?;
    if runner.process.load(Ordering::Relaxed) != block.token.get() {
        return None;
    }
    block
        .runner
        .store(std::ptr::from_ref(runner) as usize, Ordering::Release);
    block.timed.set(false);
    block.entries.set(block.entries.get() + 1);
    let values = block.values.get();
    for (index, argument) in arguments.iter().enumerate() {
        // SAFETY: the region offers as many values as the module's contract wants, which counts every function that can be entered.
        unsafe { copy_content(values.add(index), argument) };
    }
    block.forget_trap();
    block.depth.set(1);
    block.set_state(state::ENTERING);
    // SAFETY: the checks above are what `enter` demands; adapter and code are of the instance's module.
    let left = unsafe { enter_adapter(block, short.adapter, short.code, values) };
    if left != exit::RETURNED {
        // What can fail is looking up the function, which is there.
        let settled = settle_short(block, left, func.function, Way::Adapter);
        *out = settled.unwrap_or(NOT_RUN);
        return Some(());
    }
    block.depth.set(0);
    block.quiet.set(1);
    block.set_state(state::READY);
    let results = short.results();
    for (index, number) in results.iter().enumerate() {
        // SAFETY: as for the arguments.
        write_type(unsafe { &mut *values.add(index) }, *number);
    }
    block.quiet_values.set(results.len());
    returned(out, values, results.len());
    Some(())
}

/// Copies what adapters read of a value: as many bytes as its type has, since the caller may just have written no more, and loads
/// that cover several stores wait for all of them.
///
/// # Safety
///
/// `to` can be written.
#[inline]
unsafe fn copy_content(to: *mut lucet_value, from: &lucet_value) {
    const VECTOR: u32 = ValueType::V128 as u32;
    // SAFETY: the caller's promise; C has written the part of the payload that belongs to the type.
    unsafe {
        match from.r#type {
            INTEGER | FLOAT => (*to).of.i32 = from.of.i32,
            VECTOR => (*to).of.v128 = from.of.v128,
            _ => (*to).of.i64 = from.of.i64,
        }
    }
}
