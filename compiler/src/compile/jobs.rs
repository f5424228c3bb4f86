//! What there is to compile: the functions of a module, and the wrappers, adapters and bridges that lead to them.
//!
//! The order depends on the module alone. Stubs, which nobody compiles, are not here.

use crate::code::{Code, Target};
use crate::module::{Function, Module};
use lucet_format::image::records::CodeKind;
use std::collections::BTreeSet;

/// What Cranelift compiles.
#[derive(Clone, Copy)]
pub struct Job {
    pub kind: CodeKind,
    pub index: u32,
}

/// The defined functions in order, then import wrappers, then adapters by type.
pub fn all(module: &Module) -> Vec<Job> {
    let mut jobs = Vec::new();
    for index in module.imported_functions..module.functions.len() as u32 {
        jobs.push(Job {
            kind: CodeKind::Function,
            index,
        });
    }
    let enterable = enterable(module);
    for (index, _) in enterable
        .iter()
        .filter(|(index, _)| *index < module.imported_functions)
    {
        jobs.push(Job {
            kind: CodeKind::ImportWrapper,
            index: *index,
        });
    }
    let types: BTreeSet<u32> = enterable
        .iter()
        .map(|(_, function)| function.function_type)
        .collect();
    for index in types {
        jobs.push(Job {
            kind: CodeKind::Adapter,
            index,
        });
    }
    jobs
}

/// The functions that the runtime or an indirect call can reach, by index: those that can be referred to,
/// which includes the exported ones, and the start function.
fn enterable(module: &Module) -> Vec<(u32, &Function)> {
    let reachable =
        |index: u32, function: &Function| function.funcref.is_some() || module.start == Some(index);
    (0u32..)
        .zip(&module.functions)
        .filter(|(index, function)| reachable(*index, function))
        .collect()
}

/// The wrappers of imported functions that are needed because calls of them have handlers.
pub fn missing_wrappers(module: &Module, code: &[Code]) -> impl Iterator<Item = Job> + use<> {
    let targets = code.iter().flat_map(|piece| &piece.relocations);
    let mut needed: BTreeSet<u32> = targets
        .filter_map(|relocation| match relocation.target {
            Target::Function(index) if index < module.imported_functions => Some(index),
            _ => None,
        })
        .collect();
    for piece in code
        .iter()
        .filter(|piece| piece.kind == CodeKind::ImportWrapper)
    {
        needed.remove(&piece.index);
    }
    needed.into_iter().map(|index| Job {
        kind: CodeKind::ImportWrapper,
        index,
    })
}

/// The bridges to functions of other instances that code leads to.
pub fn bridges(code: &[Code]) -> impl Iterator<Item = Job> + use<> {
    let targets = code.iter().flat_map(|piece| &piece.relocations);
    let types: BTreeSet<u32> = targets
        .filter_map(|relocation| match relocation.target {
            Target::Bridge(index) => Some(index),
            _ => None,
        })
        .collect();
    types.into_iter().map(|index| Job {
        kind: CodeKind::Bridge,
        index,
    })
}
