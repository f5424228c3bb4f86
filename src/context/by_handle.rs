//! What a call by function handle from C needs to know of the function: the assembly of `x86_64/by_handle.s` compares the arguments with
//! it, enters the guest and writes the outcome, so that nothing between C and the guest has to be saved and looked up twice.

use super::callee::{Callee, INTEGERS};
use super::x86_64;
use crate::abi::{lucet_outcome, lucet_value};
use lucet_format::runtime::FastResult;
use lucet_format::value::ValueType;
use std::mem::offset_of;

/// As `lucet_instance_call` with a function that has this way: `(handle, what is called, arguments, how many, where the outcome goes or
/// NULL, what else to do)`; answers a status.
pub type Entry = unsafe extern "C" fn(
    u64,
    *const ByHandle,
    *const lucet_value,
    usize,
    *mut lucet_outcome,
    Otherwise,
) -> i32;

/// Jumped to with the arguments of the call and the kind of its outcome when it did not return: `LUCET_NOT_RUN`: nothing has happened, the
/// long way says why; else the outcome is still to be delivered. Answers a status.
pub type Otherwise = unsafe extern "C" fn(
    u64,
    *const ByHandle,
    *const lucet_value,
    usize,
    *mut lucet_outcome,
    u32,
) -> i32;

/// See the file's header. The entry leaves the outcome to [`Otherwise`] unless the function returned.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ByHandle {
    /// The way in; of functions that have no such way, one that leads to [`Otherwise`] at once.
    pub entry: Entry,
    count: usize,
    types: [u32; INTEGERS],
    /// The number of the result's type; 0 without one.
    result: u32,
    callee: Callee,
}

/// In the assembly.
pub(super) const COUNT: usize = offset_of!(ByHandle, count);
pub(super) const TYPES: usize = offset_of!(ByHandle, types);
pub(super) const RESULT: usize = offset_of!(ByHandle, result);
pub(super) const CALLEE: usize = offset_of!(ByHandle, callee);

impl ByHandle {
    /// Of a function, if it is one with a callee, with these numbers of types of its parameters and results.
    pub fn new(callee: Option<&Callee>, parameters: &[u32], results: &[u32]) -> ByHandle {
        let mut way = ByHandle {
            entry: x86_64::by_handle_unfit,
            count: parameters.len(),
            types: [0; INTEGERS],
            result: results.first().copied().unwrap_or(0),
            callee: callee.copied().unwrap_or(Callee::NONE),
        };
        let fits = way.types.get_mut(..parameters.len());
        if let (Some(callee), Some(types)) = (callee, fits) {
            types.copy_from_slice(parameters);
            way.entry = entry(callee, parameters).unwrap_or(x86_64::by_handle_unfit);
        }
        way
    }
}

/// Kinds of results: nothing, 32 and 64 bits, each of a guest that uses vector registers, and of one that does not.
pub(super) const KINDS: usize = 6;
/// Shapes of parameters: so many that are all i32, and any others.
pub(super) const SHAPES: usize = INTEGERS + 2;

fn entry(callee: &Callee, parameters: &[u32]) -> Option<Entry> {
    let words = parameters
        .iter()
        .all(|number| *number == ValueType::I32 as u32);
    let shape = if words { parameters.len() } else { SHAPES - 1 };
    let result = match callee.returns {
        FastResult::Nothing => 0,
        FastResult::Word32 => 1,
        FastResult::Word64 => 2,
        FastResult::Float32 | FastResult::Float64 => return None,
    };
    let kind = if callee.vectors {
        result
    } else {
        result + KINDS / 2
    };
    // SAFETY: a table that nobody writes.
    let ways = unsafe { &x86_64::BY_HANDLE_WAYS };
    ways.get(kind)?.get(shape).copied()
}
