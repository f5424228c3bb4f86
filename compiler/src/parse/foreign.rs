//! Whether references to functions of other instances can come into a module. Where they cannot, indirect calls need not think of
//! them.

use crate::module::{FunctionType, Global, Module, Table};
use lucet_format::image::records::ExternKind;
use lucet_format::value::ValueType;

/// Decides it by what the module imports and exports.
pub(super) fn can_come_in(module: &Module) -> bool {
    let exported = |kind: ExternKind, index: usize| {
        let is_it = |kind_: ExternKind, at: u32| kind_ == kind && at as usize == index;
        let mut exports = module.exports.iter();
        exports.any(|export| is_it(export.kind, export.index))
    };
    let by_table = |(index, table): (usize, &Table)| {
        table.element_type == ValueType::Funcref
            && (table.imported || exported(ExternKind::Table, index))
    };
    let by_global = |(index, global): (usize, &Global)| {
        let shared = global.mutable && exported(ExternKind::Global, index);
        global.value_type == ValueType::Funcref && (global.initial.is_none() || shared)
    };
    module.tables.iter().enumerate().any(by_table)
        || module.globals.iter().enumerate().any(by_global)
        || by_function(module)
        || module
            .tags
            .iter()
            .any(|tag| tag.imported && takes_one(type_of(module, tag.function_type)))
}

/// As an argument of a function that can be called from outside, or as a result of one that is imported.
fn by_function(module: &Module) -> bool {
    (0u32..).zip(&module.functions).any(|(index, function)| {
        let function_type = type_of(module, function.function_type);
        let gives_one = || {
            let mut results = function_type.iter().flat_map(|kind| &kind.results);
            results.any(|kind| *kind == ValueType::Funcref)
        };
        let reachable = function.funcref.is_some();
        reachable && takes_one(function_type) || index < module.imported_functions && gives_one()
    })
}

fn takes_one(function_type: Option<&FunctionType>) -> bool {
    let mut parameters = function_type.iter().flat_map(|kind| &kind.parameters);
    parameters.any(|kind| *kind == ValueType::Funcref)
}

fn type_of(module: &Module, index: u32) -> Option<&FunctionType> {
    module.types.get(index as usize)
}
