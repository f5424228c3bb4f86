//! The short way into a guest by a function handle: everything is as it mostly is, or the caller takes the long way, which looks
//! at each thing and has a sentence for it.
//!
//! Nothing here panics, allocates or makes a system call, so it runs outside of the guard for panics.

use super::outcome::{self, NOT_RUN};
use super::run::{enter_adapter, settle_short, write_type};
use super::timed;
use super::waiting::Way;
use crate::abi::{
    LUCET_NOT_RUN, LUCET_PREEMPTED, LUCET_RETURNED, LUCET_SUSPENDED, lucet_outcome, lucet_v128,
    lucet_value,
};
use crate::context::INTEGERS;
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
    let Some(short) = &func.short else {
        return false;
    };
    let mut result = 0;
    let kind = if let Some(callee) = &short.callee {
        let Some(words) = words(short.parameters(), arguments) else {
            return false;
        };
        callee.call(handle, words, &mut result)
    } else if !short.accepts(arguments) {
        return false;
    } else if let Some(stub) = short.stub {
        through_stub(handle, stub, arguments, &mut result)
    } else {
        return through_adapter(handle, func, short, arguments, out).is_some();
    };
    if kind == LUCET_RETURNED {
        return returned(handle, short, &result, out);
    }
    if kind == LUCET_NOT_RUN {
        return with_deadline(handle, short, arguments, out);
    }
    did_not_return(handle, kind, out)
}

/// The same for an instance with a deadline, to which the ways above are closed.
fn with_deadline(
    handle: u64,
    short: &Short,
    arguments: &[lucet_value],
    out: &mut lucet_outcome,
) -> bool {
    let words = words(short.parameters(), arguments);
    let (Some(callee), Some(words)) = (&short.callee, words) else {
        return false;
    };
    let mut result = 0;
    match timed::call(handle, callee, words, &mut result) {
        LUCET_RETURNED => returned(handle, short, &result, out),
        kind => did_not_return(handle, kind, out),
    }
}

/// Up to three integers that are arguments of these types. Written out, so that they stay in registers.
#[inline]
fn words(wanted: &[u32], arguments: &[lucet_value]) -> Option<[u64; INTEGERS]> {
    let word = |argument: &lucet_value, wanted: u32| {
        (argument.r#type == wanted).then(|| content(argument).0)
    };
    Some(match (arguments, wanted) {
        ([], []) => [0, 0, 0],
        ([a], [x]) => [word(a, *x)?, 0, 0],
        ([a, b], [x, y]) => [word(a, *x)?, word(b, *y)?, 0],
        ([a, b, c], [x, y, z]) => [word(a, *x)?, word(b, *y)?, word(c, *z)?],
        _ => return None,
    })
}

/// The outcome of a call that returned by a short way.
#[inline]
fn returned(handle: u64, short: &Short, result: &u64, out: &mut lucet_outcome) -> bool {
    let Some(block) = directory::block_of(handle) else {
        return false;
    };
    // Typed stubs have a long way as well, which writes down what has come of it.
    if block.outcome_at.get() == block.entries.get() {
        *out = outcome::of(block);
        return true;
    }
    let values = block.values.get();
    let results = short.results();
    if let Some(number) = results.first() {
        // SAFETY: the region offers a value at least.
        put_result(unsafe { &mut *values }, *number, result);
        block.note_values(1);
    }
    write_returned(out, values, results.len());
    true
}

/// The outcome of a call that ended in another way; false: it did not happen, and the long way finds out again why.
#[cold]
pub fn did_not_return(handle: u64, kind: u32, out: &mut lucet_outcome) -> bool {
    match kind {
        LUCET_NOT_RUN => return false,
        // The instance is not looked at: another thread may have resumed it.
        LUCET_SUSPENDED | LUCET_PREEMPTED => {
            *out = NOT_RUN;
            out.kind = kind;
            out.token = thread::runner().map_or(0, |runner| runner.token.load(Ordering::Relaxed));
        }
        _ => *out = directory::block_of(handle).map_or(NOT_RUN, outcome::of),
    }
    true
}

/// Writes the outcome of a call that returned.
#[inline]
fn write_returned(out: &mut lucet_outcome, values: *const lucet_value, count: usize) {
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

/// What a typed stub is, for a caller who does not know which of its parameter registers it takes: all of them are passed.
type Stub = unsafe extern "C" fn(
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

/// Calls through the export's typed stub, which looks at handle, module, process and thread by itself. Answers the outcome's kind.
/// System V passes floats in registers of their own, in the order of the parameters.
fn through_stub(handle: u64, stub: usize, arguments: &[lucet_value], result: &mut u64) -> u32 {
    let mut integers = [0u64; FAST_INTEGERS];
    let mut floats = [0f64; FAST_FLOATS];
    let (mut integer, mut float) = (integers.iter_mut(), floats.iter_mut());
    for argument in arguments {
        let place = match content(argument) {
            (bits, true) => float.next().map(|place| *place = f64::from_bits(bits)),
            (bits, false) => integer.next().map(|place| *place = bits),
        };
        if place.is_none() {
            return LUCET_NOT_RUN;
        }
    }
    let [a, b, c, d] = integers;
    let [e, f, g, h, i, j, k, l] = floats;
    // SAFETY: the address of a typed stub of at most these parameters; the result is at most as wide as the variable. Whatever the
    // handle is, the stub answers.
    unsafe {
        std::mem::transmute::<usize, Stub>(stub)(handle, result, a, b, c, d, e, f, g, h, i, j, k, l)
    }
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
    if !block.is_ready(func.base) || block.token.get() != process::current() {
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
    block.set_state(state::ENTERING);
    // SAFETY: the checks above are what `enter` demands; adapter and code are of the instance's module.
    let left = unsafe { enter_adapter(block, short.adapter, short.code, values) };
    if left != exit::RETURNED {
        // What can fail is looking up the function, which is there.
        let settled = settle_short(block, left, func.function, Way::Adapter);
        *out = settled.unwrap_or(NOT_RUN);
        return Some(());
    }
    block.set_state(state::READY);
    let results = short.results();
    for (index, number) in results.iter().enumerate() {
        // SAFETY: as for the arguments.
        write_type(unsafe { &mut *values.add(index) }, *number);
    }
    block.note_values(results.len());
    write_returned(out, values, results.len());
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
