//! Records of constants: what globals, elements and tables hold at first.

use crate::module::{Constant, Module};
use lucet_format::image::records::{self, InitialKind};

/// The record of a constant expression.
pub fn initial_value(constant: Constant, module: &Module) -> records::Initial {
    let record = |kind: InitialKind, low: u64, high: u64| records::Initial {
        kind: kind as u32,
        reserved: 0,
        low,
        high,
    };
    match constant {
        Constant::Bits(bits) => record(InitialKind::Constant, bits as u64, (bits >> 64) as u64),
        Constant::ImportedGlobal(index) => record(InitialKind::ImportedGlobal, u64::from(index), 0),
        Constant::Function(index) => record(InitialKind::Funcref, funcref_number(index, module), 0),
        Constant::Null => record(InitialKind::Constant, 0, 0),
        Constant::Expression { first, count } => {
            record(InitialKind::Expression, u64::from(first), u64::from(count))
        }
    }
}

/// The number of the reference to a function. Parsing has numbered every function that a constant refers to.
pub fn funcref_number(function: u32, module: &Module) -> u64 {
    let known = module
        .functions
        .get(function as usize)
        .and_then(|function| function.funcref);
    u64::from(known.unwrap_or(0))
}
