//! The host functions that generated guests may import. They compute their results from all of their arguments, so an
//! argument that is passed wrongly shows in what the guest does next.

use crate::value::Value;
use lucet_format::value::ValueType::{self, Externref, F32, F64, Funcref, I32, I64, V128};

/// The module part of their names.
pub const MODULE: &str = "host";

/// A host function's name and type.
#[derive(Debug)]
pub struct HostFunction {
    /// The name.
    pub name: &'static str,
    /// The parameters.
    pub parameters: &'static [ValueType],
    /// The results.
    pub results: &'static [ValueType],
}

/// Those that programs call, and that Lucet may have as C functions with the types of their own parameters.
pub static OF_PROGRAMS: [HostFunction; 2] = [
    HostFunction {
        name: "word",
        parameters: &[I64, I32, I64],
        results: &[I64],
    },
    HostFunction {
        name: "number",
        parameters: &[F64, I64, F32, I32, F64],
        results: &[F64],
    },
];

/// All others: registers and stack, both classes of registers, several results, references.
pub static FUNCTIONS: [HostFunction; 6] = [
    HostFunction {
        name: "ping",
        parameters: &[],
        results: &[],
    },
    HostFunction {
        name: "mix",
        parameters: &[I32, I64, F32, F64],
        results: &[I64],
    },
    HostFunction {
        name: "vector",
        parameters: &[V128, I32, V128],
        results: &[V128],
    },
    HostFunction {
        name: "many",
        parameters: &[
            I64, I32, I64, I32, I64, I32, I64, I32, I64, F32, F64, F32, F64, F32, F64, F32, F64,
            F32, F64,
        ],
        results: &[F64, I32, F32, I64],
    },
    HostFunction {
        name: "references",
        parameters: &[Externref, Funcref, I32],
        results: &[Externref],
    },
    HostFunction {
        name: "float",
        parameters: &[F64],
        results: &[F32],
    },
];

/// Every host function.
pub fn all() -> impl Iterator<Item = &'static HostFunction> {
    FUNCTIONS.iter().chain(&OF_PROGRAMS)
}

impl HostFunction {
    /// What it answers.
    pub fn answer(&self, arguments: impl Iterator<Item = Value>) -> Vec<Value> {
        let mut hash = self.name.len() as u64;
        for argument in arguments {
            let bits = argument.bits();
            for half in [bits as u64, (bits >> 64) as u64] {
                hash = (hash ^ half)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29);
            }
        }
        let results = self.results.iter().enumerate();
        results
            .map(|(place, of)| Value::from_hash(*of, hash.wrapping_add(place as u64)))
            .collect()
    }

    /// Its import, as text.
    pub fn import(&self) -> String {
        let names = |types: &[ValueType]| {
            let names: Vec<&str> = types.iter().map(|of| of.name()).collect();
            names.join(" ")
        };
        format!(
            "(import \"{MODULE}\" \"{}\" (func (param {}) (result {})))",
            self.name,
            names(self.parameters),
            names(self.results)
        )
    }
}
