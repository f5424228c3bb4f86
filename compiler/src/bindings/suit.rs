//! Whether a module suits its bindings: every function that it imports is offered, with this very type, and what it exports under
//! a name of the bindings has the type that they say.

use super::Bindings;
use crate::error::{Error, Result};
use crate::module::{FunctionType, Import, Module};
use lucet_format::image::records::ExternKind;
use lucet_format::value::ValueType;

impl Bindings {
    /// See the file's header.
    ///
    /// # Errors
    ///
    /// [`Error::Bindings`], which names the first problem and counts the others.
    pub fn suit(&self, module: &Module) -> Result<()> {
        let imports = module
            .imports
            .iter()
            .filter_map(|import| self.import_problem(module, import));
        let mut problems: Vec<String> = imports.collect();
        problems.extend(self.export_problems(module));
        verdict(&problems)
    }

    /// Of the exports only.
    ///
    /// # Errors
    ///
    /// As [`Bindings::suit`].
    pub fn suit_exports(&self, module: &Module) -> Result<()> {
        verdict(&self.export_problems(module))
    }

    fn export_problems(&self, module: &Module) -> Vec<String> {
        let problems = self.exports.iter().filter_map(|function| {
            let export = module
                .exports
                .iter()
                .find(|export| export.name == function.name)?;
            let wanted = self.core_type(function, false);
            let actual = (export.kind == ExternKind::Function)
                .then(|| type_of(module, export.index))
                .flatten();
            (actual != Some(&wanted)).then(|| {
                let actual = actual.map_or_else(|| "no function".to_owned(), shown);
                format!(
                    "export {:?} is {actual}, the bindings say {}",
                    function.name,
                    shown(&wanted)
                )
            })
        });
        problems.collect()
    }

    fn import_problem(&self, module: &Module, import: &Import) -> Option<String> {
        let name = format!("import {:?} {:?}", import.module, import.name);
        if import.kind != ExternKind::Function {
            return Some(format!(
                "{name} is a {}, the bindings have functions only",
                import.kind.name()
            ));
        }
        let wanted = self.offered(&import.module, &import.name);
        let actual = type_of(module, import.index)?;
        match wanted {
            None => Some(format!("{name} is not in the bindings")),
            Some(wanted) if wanted == *actual => None,
            Some(wanted) => Some(format!(
                "{name} is {}, the bindings say {}",
                shown(actual),
                shown(&wanted)
            )),
        }
    }

    /// The core type of an import that the bindings offer.
    fn offered(&self, module: &str, name: &str) -> Option<FunctionType> {
        if let Some(function) = self.import(module, name) {
            return Some(self.core_type(function, true));
        }
        let resource = name.strip_prefix("[resource-drop]")?;
        let known = self
            .resources()
            .any(|(_, _, of, name)| of == module && name == resource);
        known.then(|| FunctionType {
            parameters: vec![ValueType::I32],
            results: vec![],
        })
    }
}

fn verdict(problems: &[String]) -> Result<()> {
    match problems {
        [] => Ok(()),
        [one] => Err(Error::Bindings(one.clone())),
        [first, more @ ..] => Err(Error::Bindings(format!(
            "{first}; {} more problems",
            more.len()
        ))),
    }
}

fn type_of(module: &Module, function: u32) -> Option<&FunctionType> {
    let function = module.functions.get(function as usize)?;
    module.types.get(function.function_type as usize)
}

/// `(i32, i64) -> (f32)`
fn shown(function_type: &FunctionType) -> String {
    let list = |types: &[ValueType]| {
        types
            .iter()
            .map(|each| each.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "({}) -> ({})",
        list(&function_type.parameters),
        list(&function_type.results)
    )
}
