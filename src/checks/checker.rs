//! Who looks at the arguments of an import: the runtime, or the module's code, which then has to look for the same.

use super::{NONE, Plan, access, kind};
use crate::abi::lucet_check;
use lucet_format::image::{Image, records};

/// Who checks the arguments of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// The runtime.
    Runtime,
    /// The module's code, and these very checks.
    Code,
    /// The module's code, but others.
    Other,
}

/// Who checks the arguments of an imported function, if the host defines it with `plan`, or with a plain function.
pub fn checker(image: &Image<'_>, function: u32, plan: Option<&Plan>) -> Checker {
    let imports = image.checked_imports();
    let Some(import) = imports.iter().find(|import| import.function == function) else {
        return Checker::Runtime;
    };
    let Some(plan) = plan else {
        return Checker::Other;
    };
    let checks = image.checks();
    let compiled =
        (import.first..import.first + import.count).filter_map(|index| checks.get(index as usize));
    let defined = (0u32..)
        .zip(&plan.checks)
        .filter(|(_, check)| **check != NONE);
    let same = compiled
        .map(|check| (check.parameter, alike(in_c(&check))))
        .eq(defined.map(|(parameter, check)| (parameter, alike(*check))));
    let answer = (import.answers != 0).then_some(import.answer);
    if same && answer == plan.failure {
        Checker::Code
    } else {
        Checker::Other
    }
}

/// What is written to may be read as well: nothing else is checked of it.
fn alike(check: lucet_check) -> lucet_check {
    let read = if check.kind & access::WRITE != 0 && check.kind & kind::MASK >= kind::SLICE {
        access::READ
    } else {
        0
    };
    lucet_check {
        kind: check.kind | read,
        ..check
    }
}

fn in_c(check: &records::Check) -> lucet_check {
    lucet_check {
        limit: check.limit,
        element: check.element as u16,
        align: check.align as u8,
        kind: check.kind as u8,
        of: std::ptr::null(),
    }
}
