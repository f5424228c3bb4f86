//! Memory inside a guest for what a host passes in: the guest's own allocator, by the name that bindings
//! generators use for it.

use super::outcome::NOT_RUN;
use super::{Handle, memory, run};
use crate::abi::{LUCET_RETURNED, lucet_outcome, lucet_value};
use crate::error::{Result, Status, error};
use lucet_format::value::ValueType;

/// The export that is called: `(old: i32, old_size: i32, align: i32, size: i32) -> i32`.
pub const ALLOCATOR: &str = "cabi_realloc";

/// Asks the guest for `size` bytes. The outcome is that of the call, also when the result is an error.
///
/// # Errors
///
/// `NotFound` without the export, `OutOfBounds` when the guest answers an address that it does not have, one that is not aligned, or 0
/// for some bytes, which is how allocators say that they have none, `Limit` when the sizes do not fit 32 bits, `BadState` when the
/// guest trapped (see the outcome), and as [`run`].
pub fn alloc(handle: Handle, size: usize, align: usize) -> (Result<u64>, lucet_outcome) {
    let (Ok(size), Ok(align)) = (u32::try_from(size), u32::try_from(align)) else {
        return (
            Err(error!(
                Status::Limit,
                "{size} bytes are more than a 32-bit guest can have"
            )),
            NOT_RUN,
        );
    };
    let word = |value: u32| lucet_value::from_bits(ValueType::I32.number(), u128::from(value));
    let arguments = [word(0), word(0), word(align), word(size)];
    match run(handle, ALLOCATOR.as_bytes(), &arguments) {
        Ok(outcome) => (address(handle, &outcome, size, align), outcome),
        Err(failure) => (Err(failure), NOT_RUN),
    }
}

fn address(handle: Handle, outcome: &lucet_outcome, size: u32, align: u32) -> Result<u64> {
    if outcome.kind != LUCET_RETURNED || outcome.value_count != 1 {
        return Err(error!(
            Status::BadState,
            "the guest's {ALLOCATOR} did not return an address"
        ));
    }
    // SAFETY: the outcome of a run that returned one value points at it.
    let address = unsafe { *outcome.values }.bits() as u32;
    if address == 0 && size > 0 {
        return Err(error!(
            Status::OutOfBounds,
            "the guest's {ALLOCATOR} answered 0 for {size} bytes: it has none"
        ));
    }
    if !address.is_multiple_of(align) {
        return Err(error!(
            Status::OutOfBounds,
            "the guest's {ALLOCATOR} answered {address:#x}, which is not aligned to {align}"
        ));
    }
    memory::view(handle, 0, u64::from(address), u64::from(size))?;
    Ok(u64::from(address))
}
