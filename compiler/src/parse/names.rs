//! The name section: <https://webassembly.github.io/spec/core/appendix/custom.html#name-section>.
//!
//! Names are for people. Nothing depends on them, so damage is ignored: reading stops where it begins.

use super::sections::ModuleBuilder;
use wasmparser::{CustomSectionReader, KnownCustom, Name, NameSectionReader};

/// The longest name that is kept, in bytes; longer ones are cut at a character.
const MAX_NAME_BYTES: usize = 1024;

impl ModuleBuilder {
    /// Takes the names of the module and of functions, when this is the name section.
    pub(super) fn custom(&mut self, section: &CustomSectionReader<'_>) {
        if let KnownCustom::Name(names) = section.as_known() {
            self.names(names);
        }
    }

    fn names(&mut self, names: NameSectionReader<'_>) {
        for name in names {
            match name {
                Ok(Name::Module { name, .. }) => self.module.name = Some(shortened(name)),
                Ok(Name::Function(functions)) => {
                    for naming in functions {
                        let Ok(naming) = naming else { break };
                        self.function_names
                            .insert(naming.index, shortened(naming.name));
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Gives the functions their names, when all of them are known.
    pub(super) fn apply_names(&mut self) {
        for (index, name) in std::mem::take(&mut self.function_names) {
            if let Some(function) = self.module.functions.get_mut(index as usize) {
                function.name = Some(name);
            }
        }
    }
}

fn shortened(name: &str) -> String {
    let mut end = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}
