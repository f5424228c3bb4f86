//! How large a module may be. Small modules can be made that are expensive to compile; with these limits the cost of a
//! compilation is in proportion to the size of its input.
//!
//! Everything is checked as early as it can be: counts when a section starts, the rest while a function is translated.

use crate::error::{Error, Result};
use wasmparser::{ElementItems, FunctionBody, Payload};

/// The most of everything. A module that has more is refused with [`Error::Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the module; never more than [`crate::parse::MAX_INPUT_BYTES`].
    pub module_bytes: u64,
    /// Types.
    pub types: u64,
    /// Functions, imported ones included.
    pub functions: u64,
    /// Parameters and results of all functions together.
    pub signature_values: u64,
    /// Globals, imported ones included.
    pub globals: u64,
    /// Exports.
    pub exports: u64,
    /// Bytes of the names of all imports and exports together.
    pub name_bytes: u64,
    /// Items of all element segments together.
    pub element_items: u64,
    /// Bytes of all data segments together.
    pub data_bytes: u64,
    /// Bytes of a function's body.
    pub body_bytes: u64,
    /// Instructions of the code generator's that a function becomes, those inlined among them: what memory is in
    /// proportion to.
    pub function_instructions: u64,
    /// Locals of a function without its parameters.
    pub locals: u64,
    /// Targets of a `br_table`; never more than 65 520.
    pub branch_targets: u64,
    /// Blocks inside of each other.
    pub nesting: u64,
    /// Loops inside of each other: what optimises loops takes time in proportion to its square, for each instruction.
    pub loop_nesting: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            module_bytes: 128 << 20,
            types: 100_000,
            functions: 200_000,
            signature_values: 2_000_000,
            globals: 100_000,
            exports: 200_000,
            name_bytes: 16 << 20,
            element_items: 1_000_000,
            data_bytes: 64 << 20,
            body_bytes: 4 << 20,
            function_instructions: 600_000,
            locals: 20_000,
            branch_targets: 65_520,
            nesting: 10_000,
            loop_nesting: 200,
        }
    }
}

/// Values that a function may compute and pass for each byte of its body, and regardless of it. A byte of ordinary code
/// makes about one value (SQLite's worst function: 1.2); those of a thousand parameters or results, or of locals that every
/// block of a large function hands on, make many more.
const VALUES_PER_BYTE: u64 = 64;
const VALUES_OF_ANY_BODY: u64 = 10_000;
/// Values of any function: beyond it, memory runs out.
const MOST_VALUES: u64 = 8_000_000;

/// Instructions of constant expressions that cannot be evaluated before the imports are known, of all together.
pub(crate) const CONSTANT_STEPS: u64 = 1_000_000;

const NAMES: &str = "bytes of names of imports and exports";

/// What is limited by [`values`].
pub(crate) const VALUES: &str = "values that a function computes and passes";

/// How many values a function with a body of this size may compute and pass.
pub(crate) fn values(body_bytes: usize) -> u64 {
    let bytes = body_bytes as u64;
    MOST_VALUES.min(VALUES_OF_ANY_BODY + VALUES_PER_BYTE * bytes)
}

/// That there is no more of something than there may be.
pub(crate) fn check(what: &'static str, actual: u64, limit: u64) -> Result<()> {
    if actual <= limit {
        return Ok(());
    }
    Err(Error::Limit {
        what,
        actual,
        limit,
    })
}

/// What has been counted of a module so far.
#[derive(Default)]
pub(crate) struct Counter {
    functions: u64,
    globals: u64,
    name_bytes: u64,
    element_items: u64,
    data_bytes: u64,
}

impl Counter {
    /// Counts what a section announces, before it is looked at.
    pub(crate) fn section(&mut self, payload: &Payload<'_>, limits: &Limits) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                check("types", u64::from(section.count()), limits.types)
            }
            Payload::FunctionSection(section) => {
                self.functions += u64::from(section.count());
                check("functions", self.functions, limits.functions)
            }
            Payload::ImportSection(section) => {
                // Each import may be a function.
                self.functions += u64::from(section.count());
                check("imports", self.functions, limits.functions)?;
                for import in section.clone().into_imports() {
                    let Ok(import) = import else { return Ok(()) };
                    self.name_bytes += (import.module.len() + import.name.len()) as u64;
                }
                check(NAMES, self.name_bytes, limits.name_bytes)
            }
            Payload::GlobalSection(section) => {
                self.globals += u64::from(section.count());
                check("globals", self.globals, limits.globals)
            }
            Payload::ExportSection(section) => {
                check("exports", u64::from(section.count()), limits.exports)?;
                for export in section.clone() {
                    // What cannot be read is the validator's to report.
                    let Ok(export) = export else { return Ok(()) };
                    self.name_bytes += export.name.len() as u64;
                }
                check(NAMES, self.name_bytes, limits.name_bytes)
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    // What cannot be read is the validator's to report.
                    let Ok(element) = element else { return Ok(()) };
                    self.element_items += u64::from(match element.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    });
                }
                let what = "items of element segments";
                check(what, self.element_items, limits.element_items)
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let Ok(data) = data else { return Ok(()) };
                    self.data_bytes += data.data.len() as u64;
                }
                check("bytes of data", self.data_bytes, limits.data_bytes)
            }
            Payload::CodeSectionEntry(body) => function(body, limits),
            _ => Ok(()),
        }
    }
}

fn function(body: &FunctionBody<'_>, limits: &Limits) -> Result<()> {
    let range = body.range();
    check(
        "bytes of a function",
        range.end - range.start,
        limits.body_bytes,
    )?;
    let mut locals = 0;
    if let Ok(groups) = body.get_locals_reader() {
        for group in groups {
            let Ok((count, _)) = group else { return Ok(()) };
            locals += u64::from(count);
        }
    }
    check("locals of a function", locals, limits.locals)
}
