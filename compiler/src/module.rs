//! What the compiler knows of a module after parsing and validation, before any code is generated.
//!
//! Everything but exports is in the module's own order; indices are those of the specification's index spaces
//! (<https://webassembly.github.io/spec/core/syntax/modules.html#indices>), imports first. Function types
//! are renumbered so that equivalent types have one index: equal index means equal type.
//!
//! It does not hold function bodies' code: [`FunctionBody`] is a range of the input.

use crate::bindings::checked::CheckedImports;
use lucet_format::PAGE_SIZE;
use lucet_format::contract::with_headroom;
use lucet_format::image::records::{ExternKind, Operation, SegmentMode};
use lucet_format::value::ValueType;
use std::collections::BTreeMap;

/// A function type, unique within the module: the same types after every reference to a type has been resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionType {
    /// The parameters.
    pub parameters: Vec<ValueType>,
    /// The results.
    pub results: Vec<ValueType>,
}

/// An import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The module part of its name.
    pub module: String,
    /// The field part of its name.
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
    /// Its index in the index space of its kind.
    pub index: u32,
}

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ExternKind,
    /// Its index in the index space of its kind.
    pub index: u32,
}

/// A function, imported or defined.
#[derive(Clone, Debug)]
pub struct Function {
    /// Index into [`Module::types`].
    pub function_type: u32,
    /// Its name from the name section.
    pub name: Option<String>,
    /// Its number among the functions that can be referred to (`Section::Funcrefs`), if it is one: exported,
    /// in an element segment, or the operand of a constant `ref.func`. Starts at 1; 0 is null.
    pub funcref: Option<u32>,
}

/// A constant expression: <https://webassembly.github.io/spec/core/valid/instructions.html#constant-expressions>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// These bits.
    Bits(u128),
    /// The value of an imported global.
    ImportedGlobal(u32),
    /// A reference to a function, by function index.
    Function(u32),
    /// The null reference.
    Null,
    /// Steps of [`Module::expressions`].
    Expression {
        /// The first one.
        first: u32,
        /// How many.
        count: u32,
    },
}

/// A step of an expression in postfix order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub operation: Operation,
    /// The bits of a constant, or the index of an imported global.
    pub operand: u64,
}

/// A global, imported or defined.
#[derive(Clone, Debug)]
pub struct Global {
    /// Its type.
    pub value_type: ValueType,
    /// Whether it can change.
    pub mutable: bool,
    /// Its initial value; `None`: imported.
    pub initial: Option<Constant>,
    /// Its distance below vmctx.
    pub state_offset: u32,
}

/// A table, imported or defined.
#[derive(Clone, Debug)]
pub struct Table {
    /// The type of its elements.
    pub element_type: ValueType,
    /// Elements at first.
    pub minimum: u64,
    /// Elements at most.
    pub maximum: Option<u64>,
    /// Whether its indices have 64 bits.
    pub index_64: bool,
    /// Whether it is imported.
    pub imported: bool,
    /// What its elements are at first.
    pub initial: Constant,
    /// The distance of its descriptor below vmctx.
    pub state_offset: u32,
    /// Nobody can change it: the number of the funcref record of element 0, which those of the others follow.
    pub records: Option<u32>,
}

/// A memory, imported or defined.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Pages at first.
    pub minimum: u64,
    /// Pages at most.
    pub maximum: Option<u64>,
    /// Whether its indices have 64 bits.
    pub index_64: bool,
    /// Log2 of its page size: 16 or 0.
    pub page_size_log2: u32,
    /// Whether it is imported.
    pub imported: bool,
    /// How code reaches it.
    pub place: MemoryPlace,
}

impl Module {
    /// Has code check what guards would do otherwise.
    pub fn check_bounds(&mut self) {
        let guarded = self
            .memories
            .iter_mut()
            .filter(|memory| memory.place == MemoryPlace::Guarded);
        guarded.for_each(|memory| memory.place = MemoryPlace::Checked);
        self.relies_on_reservation = false;
    }
}

/// The number that the bits of a segment's offset are, by the width of the indices of what it goes to.
pub fn offset_value(index_64: bool, bits: u128) -> u64 {
    if index_64 {
        bits as u64
    } else {
        u64::from(bits as u32)
    }
}

/// How code reaches a memory, and what keeps it inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryPlace {
    /// It begins at vmctx. Whatever a 32-bit index and a static offset lead to is memory, or inaccessible.
    Guarded,
    /// It begins at vmctx. Code compares addresses with its length.
    Checked,
    /// Its descriptor is at this distance below vmctx. Code compares addresses with its length.
    Described(u32),
}

impl Memory {
    /// Bytes at first; `u64::MAX` where there are more than that.
    pub fn minimum_bytes(&self) -> u64 {
        self.bytes(self.minimum)
    }

    /// Bytes at most, by what the module declares and its indices can express. A memory of the module's own leaves headroom.
    pub fn maximum_bytes(&self) -> u64 {
        let addressable = if self.index_64 { u64::MAX } else { 1 << 32 };
        let declared = self.maximum.map(|pages| self.bytes(pages));
        let declared = declared.unwrap_or(addressable).min(addressable);
        if self.index_64 || self.imported {
            return declared;
        }
        with_headroom(self.minimum_bytes(), declared)
    }

    /// Whether guard pages can keep 32-bit indices inside of it.
    pub fn can_be_guarded(&self) -> bool {
        let page = 1u64 << self.page_size_log2;
        !self.index_64 && !self.imported && page.is_multiple_of(PAGE_SIZE)
    }

    fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(1 << self.page_size_log2)
    }
}

/// A tag of exceptions, imported or defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Index into [`Module::types`]: the parameters are what an exception carries.
    pub function_type: u32,
    /// Whether it is imported.
    pub imported: bool,
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElementSegment {
    /// When it is used.
    pub mode: SegmentMode,
    /// The table of an active segment.
    pub table: u32,
    /// Where in the table, for an active segment.
    pub offset: Constant,
    /// Its items.
    pub items: Vec<Constant>,
    /// Their type.
    pub element_type: ValueType,
    /// Distance below vmctx of its "dropped" byte.
    pub dropped_offset: u32,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment {
    /// When it is used.
    pub mode: SegmentMode,
    /// The memory of an active segment.
    pub memory: u32,
    /// Where in the memory, for an active segment.
    pub offset: Constant,
    /// Its bytes, as a range of the input.
    pub bytes: std::ops::Range<usize>,
    /// Distance below vmctx of its "dropped" byte.
    pub dropped_offset: u32,
}

/// The body of a defined function: a range of the input.
#[derive(Clone, Debug)]
pub struct FunctionBody {
    /// Locals and instructions.
    pub range: std::ops::Range<usize>,
}

/// A parsed and validated module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Function types, each once.
    pub types: Vec<FunctionType>,
    /// For each type index of the wasm module, the index into `types`.
    pub type_indices: Vec<u32>,
    /// Imports in order.
    pub imports: Vec<Import>,
    /// Exports, sorted by name bytewise, as they stand in the image.
    pub exports: Vec<Export>,
    /// Functions, imported ones first.
    pub functions: Vec<Function>,
    /// How many of them are imported.
    pub imported_functions: u32,
    /// Bodies of the defined functions, in order.
    pub bodies: Vec<FunctionBody>,
    /// Function indices by funcref number; the entry for 0 (null) is `u32::MAX`.
    pub funcrefs: Vec<u32>,
    /// Globals, imported ones first.
    pub globals: Vec<Global>,
    /// Tables, imported ones first.
    pub tables: Vec<Table>,
    /// Memories, imported ones first.
    pub memories: Vec<Memory>,
    /// Tags, imported ones first.
    pub tags: Vec<Tag>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Data segments.
    pub data: Vec<DataSegment>,
    /// The steps of constant expressions that are not known before the imports are.
    pub expressions: Vec<Step>,
    /// By function index and distance from the start of its body: whether a branch is likely to be taken.
    pub branch_hints: BTreeMap<u32, BTreeMap<u32, bool>>,
    /// Imported functions whose arguments the module's code checks.
    pub checked_imports: CheckedImports,
    /// The start function.
    pub start: Option<u32>,
    /// The module's name from the name section.
    pub name: Option<String>,
    /// Bytes of state below vmctx, header included: a multiple of 16.
    pub state_bytes: u32,
    /// Whether references to functions of other instances can come in: by tables and globals that others have as well, or as arguments,
    /// results and values of exceptions.
    pub meets_foreign: bool,
    /// Whether code relies on the reservation behind vmctx, and on what is inaccessible there.
    pub relies_on_reservation: bool,
}
