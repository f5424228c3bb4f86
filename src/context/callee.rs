//! A guest function as a call by function handle enters it, in place of its module's typed stub.

use super::x86_64;
use crate::control::state;
use lucet_format::runtime::{FAST_INTEGERS, FastResult};

/// In the number of an export: the caller is [`Callee::call`], which has a long way of its own.
pub(super) const BY_HANDLE: u32 = 1 << 23;

/// The most integers that it is given.
pub const INTEGERS: usize = FAST_INTEGERS - 1;

/// `(handle, what is called, integers..., where the result goes)`; answers the kind of the outcome.
type Entry = unsafe extern "C" fn(u64, *const Callee, u64, u64, u64, *mut u64) -> u32;

/// A function with at most [`INTEGERS`] integers as parameters, and no others.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Callee {
    /// Address of its code.
    pub(super) code: usize,
    /// The state of an instance that can be entered.
    pub(super) ready: u64,
    entry: Entry,
    /// Its number among the exports, and [`BY_HANDLE`].
    pub(super) export: u32,
    pub(super) returns: FastResult,
    /// Whether the module may use vector registers.
    pub(super) vectors: bool,
}

impl Callee {
    /// A function of no module: there is no instance that it can be entered in.
    pub(super) const NONE: Callee = Callee {
        code: 0,
        ready: 0,
        entry: x86_64::call_nothing,
        export: 0,
        returns: FastResult::Nothing,
        vectors: true,
    };

    /// Of the function at an address, whose module is mapped at `base` and may use vector registers, or does not. `None`: there are too many
    /// exports.
    ///
    /// # Safety
    ///
    /// It is a function of that module, with at most [`INTEGERS`] integers as parameters, and this result.
    pub unsafe fn new(
        base: usize,
        code: usize,
        export: u32,
        result: FastResult,
        vectors: bool,
    ) -> Option<Callee> {
        let entry: Entry = match result {
            FastResult::Nothing if !vectors => x86_64::call_nothing_bare,
            FastResult::Word32 if !vectors => x86_64::call_word32_bare,
            FastResult::Word64 if !vectors => x86_64::call_word64_bare,
            FastResult::Nothing => x86_64::call_nothing,
            FastResult::Word32 => x86_64::call_word32,
            FastResult::Word64 => x86_64::call_word64,
            FastResult::Float32 => x86_64::call_float32,
            FastResult::Float64 => x86_64::call_float64,
        };
        (export < BY_HANDLE).then_some(Callee {
            code,
            ready: base as u64 | u64::from(state::READY),
            entry,
            export: export | BY_HANDLE,
            returns: result,
            vectors,
        })
    }

    /// Calls it in an instance, if nothing is out of the ordinary; `LUCET_NOT_RUN`: nothing has happened. Else the kind of the outcome,
    /// and what it returned in `result`, of which no more is written than the result's bytes. Any value is good as a handle.
    #[inline]
    pub fn call(&self, handle: u64, [a, b, c]: [u64; INTEGERS], result: &mut u64) -> u32 {
        // SAFETY: the function's own promise, made in `new`; the entry compares handle, module, state, process and thread.
        unsafe { (self.entry)(handle, self, a, b, c, result) }
    }
}
