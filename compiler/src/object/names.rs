//! Names for people: symbols in the file, and function names in the image.
//!
//! Names come from the guest and end up in terminals and logs. Invariant: what this file returns is printable,
//! without control characters or characters that reorder text, and of bounded length.

use crate::module::{Import, Module};
use lucet_format::image::records::{CodeKind, ExternKind};
use lucet_format::runtime::Helper;
use std::collections::HashMap;
use std::fmt::Write;

/// The longest name, in bytes; longer ones are cut.
const MAX_BYTES: usize = 1024;

/// The symbol names of a module's code.
pub struct Names<'a> {
    module: &'a Module,
    /// The first export of each exported function.
    exports: HashMap<u32, &'a str>,
    imports: HashMap<u32, &'a Import>,
}

impl<'a> Names<'a> {
    /// Prepares the names of a module.
    pub fn new(module: &'a Module) -> Names<'a> {
        let mut exports = HashMap::new();
        for export in module
            .exports
            .iter()
            .filter(|export| export.kind == ExternKind::Function)
        {
            exports.entry(export.index).or_insert(export.name.as_str());
        }
        let imports = module
            .imports
            .iter()
            .filter(|import| import.kind == ExternKind::Function);
        Names {
            module,
            exports,
            imports: imports.map(|import| (import.index, import)).collect(),
        }
    }

    /// The symbol of a piece of code.
    pub fn symbol(&self, kind: CodeKind, index: u32) -> String {
        match kind {
            CodeKind::Function => self.function(index),
            CodeKind::ImportWrapper => format!("import_wrapper:{}", self.function(index)),
            CodeKind::ImportStub => format!("import:{}", self.function(index)),
            CodeKind::HelperStub => {
                let helper = Helper::ALL
                    .get(index as usize)
                    .map_or("unknown", |helper| helper.name());
                format!("helper:{helper}")
            }
            CodeKind::Bridge => format!("bridge:type[{index}]"),
            CodeKind::Adapter => format!("adapter:type[{index}]"),
            CodeKind::TypedStub => {
                let export = self.module.exports.get(index as usize);
                format!(
                    "entry:{}",
                    printable(export.map_or("", |export| &export.name))
                )
            }
        }
    }

    /// The name from the name section, or of the import, or of an export, or else a number.
    fn function(&self, index: u32) -> String {
        if let Some(name) = self
            .module
            .functions
            .get(index as usize)
            .and_then(|function| function.name.as_ref())
        {
            return readable(name);
        }
        if let Some(import) = self.imports.get(&index) {
            return printable(&format!("{}.{}", import.module, import.name));
        }
        match self.exports.get(&index) {
            Some(name) if !name.is_empty() => printable(name),
            _ => format!("function[{index}]"),
        }
    }
}

/// A function's name as people read it: demangled where it is a Rust symbol.
pub fn readable(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => {
            let mut text = Bounded(String::new());
            // Formatting stops when the text is long enough, which is no error here.
            let _ = write!(text, "{demangled:#}");
            printable(&text.0)
        }
        Err(_) => printable(name),
    }
}

/// The same text with everything escaped that a terminal might obey.
pub fn printable(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        let before = text.len();
        if is_harmless(character) {
            text.push(character);
        } else {
            text.extend(character.escape_unicode());
        }
        if text.len() > MAX_BYTES {
            text.truncate(before);
            break;
        }
    }
    text
}

/// Not a control, a line or paragraph separator, or a character that changes the direction of text.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A string that refuses to grow for ever: mangled names can describe very long ones.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 2 * MAX_BYTES {
            Err(std::fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_terminal_would_obey_are_escaped() {
        assert_eq!(printable("plain name<T>::x"), "plain name<T>::x");
        assert_eq!(printable("a\x1b[31m\n\0"), "a\\u{1b}[31m\\u{a}\\u{0}");
        assert_eq!(printable("\u{202e}gnp.exe"), "\\u{202e}gnp.exe");
        assert_eq!(printable("größe"), "größe");
    }

    #[test]
    fn names_have_a_bounded_length() {
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_BYTES);
        assert!(printable(&"\u{1}".repeat(5000)).len() <= MAX_BYTES);
        assert!(
            readable(&format!("_ZN5000{}17h0123456789abcdefE", "y".repeat(5000))).len()
                <= MAX_BYTES
        );
    }

    #[test]
    fn rust_symbols_are_demangled() {
        assert_eq!(
            readable("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
        assert_eq!(readable("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
        assert_eq!(readable("memcpy"), "memcpy");
    }
}
