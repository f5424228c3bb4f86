//! The imports of a module whose arguments its own code checks.
//!
//! Code can do that where a check needs nothing of the host but the memory's length: not for handles, and not for copies, which lie on the
//! host's stack. One such parameter leaves all of the function to the runtime, which does the same.

use super::Bindings;
use super::lower::Check;
use crate::module::{MemoryPlace, Module};
use lucet_format::checks::{Places, access, kind};
use lucet_format::image::records::ExternKind;
use lucet_format::value::ValueType;
use std::collections::BTreeMap;

/// Checked imports by function index.
pub type CheckedImports = BTreeMap<u32, CheckedImport>;

/// An import whose arguments are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedImport {
    /// The C parameters, after the call.
    pub parameters: Vec<CheckedParameter>,
    /// What the guest gets when a check fails; `None`: it traps.
    pub answer: Option<i64>,
}

/// A C parameter of such an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedParameter {
    /// What is checked, if anything.
    pub check: Option<Check>,
    /// The type of a plain value.
    pub value_type: ValueType,
}

impl CheckedParameter {
    /// Whether it is a pointer and a size, which the guest passes as two numbers.
    pub fn is_slice(&self) -> bool {
        self.check
            .is_some_and(|check| check.kind & kind::MASK == kind::SLICE)
    }
}

impl CheckedImport {
    /// Bytes of stack arguments of a call.
    pub fn stack_bytes(&self) -> u32 {
        let mut places = Places::START;
        for parameter in &self.parameters {
            if parameter.value_type.is_float_class() {
                places.float(parameter.value_type == ValueType::V128);
            } else {
                places.integer(if parameter.is_slice() { 2 } else { 1 });
            }
        }
        places.stack_bytes()
    }
}

impl Bindings {
    /// The imports of a module that its code checks.
    pub fn checked_imports(&self, module: &Module) -> CheckedImports {
        // Elsewhere than at vmctx its length is not where the code looks.
        let at_vmctx = module.memories.first().is_none_or(|memory| {
            !memory.imported && !matches!(memory.place, MemoryPlace::Described(_))
        });
        if !at_vmctx {
            return CheckedImports::new();
        }
        let functions = module
            .imports
            .iter()
            .filter(|import| import.kind == ExternKind::Function);
        let checked = functions.filter_map(|import| {
            let function = self.import(&import.module, &import.name)?;
            let slots = self.slots(function);
            let parameters: Vec<CheckedParameter> = slots
                .iter()
                .map(|slot| CheckedParameter {
                    check: slot.check,
                    value_type: slot.core.first().copied().unwrap_or(ValueType::I32),
                })
                .collect();
            let checks = || parameters.iter().filter_map(|parameter| parameter.check);
            let by_code = |check: &Check| {
                check.kind & kind::MASK != kind::HANDLE
                    && (check.kind & kind::MASK < kind::SLICE || check.kind & access::COPY == 0)
            };
            // Without any check there is nothing to be done, and nothing to agree on.
            let inline = checks().next().is_some() && checks().all(|check| by_code(&check));
            inline.then_some((
                import.index,
                CheckedImport {
                    parameters,
                    // The bits: of an unsigned number as well.
                    answer: function.answer.map(|answer| answer as i64),
                },
            ))
        });
        checked.collect()
    }
}
