//! Custom sections: names (<https://webassembly.github.io/spec/core/appendix/custom.html#name-section>) and branch hints
//! (<https://github.com/WebAssembly/branch-hinting>).
//!
//! Nothing depends on them, so damage is ignored: reading stops where it begins.

use super::sections::ModuleBuilder;
use wasmparser::{
    BranchHintSectionReader, CustomSectionReader, KnownCustom, Name, NameSectionReader,
};

/// The longest name that is kept, in bytes; longer ones are cut at a character.
const MAX_NAME_BYTES: usize = 1024;

impl ModuleBuilder {
    /// Takes the names of the module and of functions, or the branch hints, when this is such a section.
    pub(super) fn custom(&mut self, section: &CustomSectionReader<'_>) {
        match section.as_known() {
            KnownCustom::Name(names) => self.names(names),
            KnownCustom::BranchHints(hints) => self.branch_hints(hints),
            _ => {}
        }
    }

    fn branch_hints(&mut self, functions: BranchHintSectionReader<'_>) {
        for function in functions {
            let Ok(function) = function else { return };
            let known = self.module.branch_hints.entry(function.func).or_default();
            for hint in function.hints {
                let Ok(hint) = hint else { return };
                known.insert(hint.func_offset, hint.taken);
            }
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
