//! The short way into a guest by a function handle: everything is as it mostly is, or the caller takes the long way, which looks
//! at each thing and has a sentence for it.
//!
//! Nothing here panics, allocates or makes a system call, so it runs outside of the guard for panics.

use super::outcome::NOT_RUN;
use super::run::{enter_adapter, settle_short, write_type};
use super::waiting::Way;
use crate::abi::{LUCET_RETURNED, lucet_outcome, lucet_value};
use crate::control::{exit, state};
use crate::module::Func;
use crate::{directory, process, thread};
use lucet_format::value::ValueType;
use std::sync::atomic::Ordering;

/// Calls a function, if nothing is out of the ordinary: the instance is live, ready and instantiated, of the function's module and
/// of this process; the thread is prepared; the arguments have the right types. `None`: nothing has happened.
#[inline]
pub fn call(handle: u64, func: &Func, arguments: &[lucet_value]) -> Option<lucet_outcome> {
    let short = func.short.as_ref()?;
    let block = directory::resolve(handle)?;
    let ordinary = block.state() == state::READY
        && block.image.get() == func.base
        && block.token.get() == process::current();
    if !ordinary || !short.accepts(arguments) {
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
        return Some(settled.unwrap_or(NOT_RUN));
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
    Some(lucet_outcome {
        kind: LUCET_RETURNED,
        values,
        value_count: results.len(),
        ..NOT_RUN
    })
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
    const INTEGER: u32 = ValueType::I32 as u32;
    const FLOAT: u32 = ValueType::F32 as u32;
    // SAFETY: the caller's promise; C has written the part of the payload that belongs to the type.
    unsafe {
        match from.r#type {
            INTEGER | FLOAT => (*to).of.i32 = from.of.i32,
            VECTOR => (*to).of.v128 = from.of.v128,
            _ => (*to).of.i64 = from.of.i64,
        }
    }
}
