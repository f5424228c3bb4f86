//! What a host function's parameters mean, beyond their WebAssembly types: ranges of the guest's memory, text, numbers with
//! allowed values; and how the guest's arguments become the C function's.
//!
//! A parameter with a check takes one or two i32 of the guest and becomes one C parameter:
//!
//! ```text
//!   guest:  (call, i32 address, i32 length, f64, i32)          C:  (call, struct {pointer, size_t}, double, uint8_t)
//!           rdi   esi          edx         xmm0 ecx                rdi   rsi, rdx                  xmm0    cl
//! ```
//!
//! The System V convention passes the struct in two integer registers, or whole on the stack when fewer than two are left,
//! and then the last register is free for a later parameter. A [`Plan`] is that, worked out when the function is defined: where each word
//! comes from, where it goes, and what must hold.
//!
//! Invariants: a plan never changes; its steps name registers and stack words that the call has; floats in registers stay where
//! they are, because both sides count the same ones.
//!
//! [`plan`] works plans out, [`checker`] finds out who has to look. Not here: looking at arguments ([`crate::checked`]).

mod checker;
mod plan;

pub use checker::{Checker, checker};
pub use plan::has_checks;

use crate::abi::lucet_check;
use crate::module::signature::MAX_PARAMETERS;
pub use lucet_format::checks::{access, kind};
use lucet_format::value::ValueType;
use std::ffi::c_void;

/// No check.
const NONE: lucet_check = lucet_check {
    limit: 0,
    element: 0,
    align: 0,
    kind: 0,
    of: std::ptr::null(),
};

/// The digit of a packed type that says "see the check".
pub const CHECKED: u64 = 8;

/// Bytes that the copies of one call may take together: they lie on the host's stack.
pub const COPY_BYTES: u32 = 4096;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Passes a word on.
    Move,
    /// Compares with the limit.
    Unsigned,
    /// See [`kind::SIGNED`].
    Signed,
    /// See [`kind::CHAR`].
    Char,
    /// See [`kind::FLAGS`].
    Flags,
    /// See [`kind::ONE_OF`].
    OneOf,
    /// Finds the object of a number.
    Handle,
    /// Makes pointer and size from address and count.
    Slice,
    /// Makes a pointer from an address.
    Object,
}

/// One parameter of a call.
///
/// Places count words: 0 to 5 are the integer registers, 6 and up the words of stack arguments.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Where the word, or the address, comes from.
    pub from: u8,
    /// Slices: where the count comes from.
    pub count_from: u8,
    /// Where the word goes; a slice's size goes behind it.
    pub to: u8,
    /// See [`access`].
    pub access: u8,
    /// What the address must be a multiple of, minus 1.
    pub misalignment: u8,
    /// Bytes of an element or object.
    pub element: u32,
    /// What the kind compares with. Slices: elements at most.
    pub limit: u32,
    /// Where its copy lies behind the frame.
    pub copy: u32,
    /// See [`kind::ONE_OF`] and [`kind::HANDLE`].
    pub of: *const c_void,
}

/// The registers of a call that is being checked.
#[repr(C)]
pub struct Frame {
    /// rdi, rsi, rdx, rcx, r8, r9 as the guest passes them. The first one is also where an answer to a failed check lies.
    pub integers: [u64; 6],
    /// The same registers for the C function.
    pub outgoing: [u64; 6],
    /// xmm0 to xmm7, when they carry arguments: both sides' are the same.
    pub floats: [u128; 8],
}

/// A range whose address and count the C function gets in the registers in which the guest passes them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeInPlace {
    /// Elements at most.
    pub limit: u32,
    /// Bytes of an element.
    pub element: u32,
    /// What the address must be a multiple of, minus 1.
    pub misalignment: u32,
    /// [`RangeInPlace::RANGE`], [`RangeInPlace::TEXT`] and [`RangeInPlace::WRITTEN`]; 0: in this register lies no address.
    pub is: u32,
}

impl RangeInPlace {
    /// There is one.
    pub const RANGE: u32 = 1;
    /// Its bytes are UTF-8.
    pub const TEXT: u32 = 2;
    /// It is written to.
    pub const WRITTEN: u32 = 4;
}

/// How a call is checked and passed on. See the file's header.
#[repr(C)]
pub struct Plan {
    /// Bytes that the call takes from the stack: outgoing stack arguments, [`Frame`], copies.
    pub frame_bytes: u32,
    /// Bytes of outgoing stack arguments.
    pub stack_bytes: u32,
    /// Whether vector registers carry arguments: 0 or 1.
    pub floats: u32,
    /// Whether ranges have to be compared with each other: one of them at least is written to.
    pub exclusive: bool,
    /// Whether the function writes to any.
    pub writes: bool,
    /// What the guest gets when a check fails; `None`: it traps.
    pub failure: Option<u64>,
    /// The host's function.
    pub function: *const (),
    /// The checks as they were given.
    pub checks: [lucet_check; MAX_PARAMETERS],
    /// Whether the C function's arguments are where the guest's are, and all checks those of `ranges`.
    pub in_place: bool,
    /// By the integer register of the address, if `in_place`.
    pub ranges: [RangeInPlace; 5],
    /// What is done, in the order of the parameters.
    pub steps: Vec<Step>,
    /// The parameters as the guest passes them.
    pub parameters: Vec<ValueType>,
    /// The result.
    pub result: Option<ValueType>,
}

// SAFETY: the pointers are the host's: a function and constant numbers, which it has promised to make usable from any thread.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}
