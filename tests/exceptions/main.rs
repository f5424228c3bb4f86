//! Exceptions from the outside: what they carry, what is kept while they travel, how long they live, and what a host has to do with
//! them. What the operators mean is the specification suite's to say.

#[path = "../support/mod.rs"]
mod support;

mod carried;
mod hosts;
mod kept;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED, lucet_outcome, lucet_value};
use lucet_format::trap::TrapCode;

/// Why the guest trapped.
pub fn trap(outcome: &lucet_outcome) -> Option<TrapCode> {
    assert_eq!(outcome.kind, LUCET_TRAPPED, "outcome {}", outcome.kind);
    TrapCode::from_number(outcome.detail)
}

/// What the guest returned.
pub fn results(outcome: &lucet_outcome) -> Vec<lucet_value> {
    assert_eq!(outcome.kind, LUCET_RETURNED);
    // SAFETY: the outcome of a run that returned points at its values.
    unsafe { std::slice::from_raw_parts(outcome.values, outcome.value_count) }.to_vec()
}

/// Values as they can be compared.
pub fn bits(values: &[lucet_value]) -> Vec<(u32, u128)> {
    values
        .iter()
        .map(|value| (value.r#type, value.bits()))
        .collect()
}
