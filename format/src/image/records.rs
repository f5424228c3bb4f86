//! The records of an image. Every field is little-endian, without padding, in the order given here.

use super::{Section, exceptions, source};
use crate::contract::{MemoryContract, with_headroom};
use crate::record;

/// Bytes of a build id.
pub const BUILD_ID_BYTES: usize = 20;

record! {
    /// A range of the file.
    pub struct Span {
        /// Where it starts, in bytes from the start of the file.
        pub offset: u32,
        /// Its length in bytes.
        pub length: u32,
    }
}

record! {
    /// What an image starts with. The two checksums cover every byte of the file but the eight of the first.
    pub struct Header {
        /// [`super::MAGIC`] read as a number.
        pub magic: u64,
        /// [`crate::FORMAT_REVISION`] of the compiler.
        pub format_revision: u32,
        /// [`crate::ABI_REVISION`] of the compiler.
        pub abi_revision: u32,
        /// XXH3-64 of the file without this field and without what is aside.
        pub checksum: u64,
        /// Bytes of the whole file.
        pub file_bytes: u64,
        /// Executable code: page-aligned.
        pub text: Span,
        /// The runtime table, in the page-aligned segment behind the text.
        pub runtime_table: Span,
        /// The build id, which is also the ELF note's: [`BUILD_ID_BYTES`] bytes.
        pub build_id: Span,
        /// The compiler's name and version, for messages.
        pub producer: Span,
        /// What is aside: the sections that only backtraces read, and no others ([`Section::is_aside`]). It lies behind the section table.
        pub aside: Span,
        /// XXH3-64 of what is aside.
        pub aside_checksum: u64,
        /// CPU features that the code uses: [`crate::contract::CpuFeatures`].
        pub cpu_features: u64,
        /// The function index of the start function, or [`super::NONE`].
        pub start_function: u32,
        /// [`FLAG_DYNAMIC_DATA`], [`FLAG_STACK_CHECKED`], [`FLAG_NO_VECTORS`].
        pub flags: u32,
        /// What a region must offer.
        pub contract: MemoryContract,
    }
}

/// [`Header::flags`]: memory is initialised from the active data segments, in order, when a module is linked.
pub const FLAG_DYNAMIC_DATA: u32 = 1;
/// [`Header::flags`]: every function compares the stack pointer with [`crate::vmctx::STACK_LIMIT`], so that there is always some stack
/// left below it.
pub const FLAG_STACK_CHECKED: u32 = 2;
/// [`Header::flags`]: no instruction of the text uses a vector register, which floats need too, nor the modes that floats are computed
/// in. Typed stubs of such a module clear none.
pub const FLAG_NO_VECTORS: u32 = 4;

record! {
    /// A function type.
    pub struct FunctionType {
        /// Index of the first parameter in [`Section::ValueTypes`]; the results follow the parameters.
        pub first: u32,
        /// How many parameters.
        pub parameters: u32,
        /// How many results.
        pub results: u32,
        /// Text offset of the entry adapter for functions of this type, or [`super::NONE`] when nothing of this type can be entered.
        pub adapter: u32,
    }
}

/// What an import or export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExternKind {
    /// A function.
    Function = 0,
    /// A table.
    Table = 1,
    /// A memory.
    Memory = 2,
    /// A global.
    Global = 3,
    /// A tag of exceptions.
    Tag = 4,
}

impl ExternKind {
    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<ExternKind> {
        Some(match number {
            0 => ExternKind::Function,
            1 => ExternKind::Table,
            2 => ExternKind::Memory,
            3 => ExternKind::Global,
            4 => ExternKind::Tag,
            _ => return None,
        })
    }

    /// The word for messages.
    pub const fn name(self) -> &'static str {
        match self {
            ExternKind::Function => "function",
            ExternKind::Table => "table",
            ExternKind::Memory => "memory",
            ExternKind::Global => "global",
            ExternKind::Tag => "tag",
        }
    }
}

record! {
    /// An import.
    pub struct Import {
        /// The module part of its name.
        pub module: Span,
        /// The field part of its name.
        pub name: Span,
        /// An [`ExternKind`].
        pub kind: u32,
        /// Its index in the index space of its kind.
        pub index: u32,
    }
}

record! {
    /// An export.
    pub struct Export {
        /// Its name; exports are sorted by it, bytewise.
        pub name: Span,
        /// An [`ExternKind`].
        pub kind: u32,
        /// Its index in the index space of its kind.
        pub index: u32,
        /// Functions: text offset of the typed stub. Others: [`super::NONE`].
        pub stub: u32,
    }
}

record! {
    /// A function.
    pub struct Function {
        /// Index of its type in [`Section::FunctionTypes`].
        pub function_type: u32,
        /// Text offset of the code to enter; for imports the wrapper that makes it callable as a guest
        /// function, or [`super::NONE`] where nothing needs one.
        pub code: u32,
        /// Bytes of code there; 0 without code.
        pub code_bytes: u32,
        /// Its name from the name section, in [`Section::Names`], or empty.
        pub name: Span,
        /// Offset of its body in the wasm file; 0 for imports.
        pub wasm_offset: u32,
        /// Its number in [`Section::Funcrefs`], or [`super::NONE`] when no reference to it can exist.
        pub funcref: u32,
    }
}

/// What an initial value or a segment's offset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum InitialKind {
    /// `low` and `high` are the bits.
    Constant = 0,
    /// `low` is the index of an imported global.
    ImportedGlobal = 1,
    /// `low` is a number in [`Section::Funcrefs`]; 0 is null.
    Funcref = 2,
    /// `low` is the index of the first step in [`Section::Expressions`], `high` how many there are.
    Expression = 3,
}

impl InitialKind {
    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<InitialKind> {
        Some(match number {
            0 => InitialKind::Constant,
            1 => InitialKind::ImportedGlobal,
            2 => InitialKind::Funcref,
            3 => InitialKind::Expression,
            _ => return None,
        })
    }
}

record! {
    /// An initial value: <https://webassembly.github.io/spec/core/valid/instructions.html#constant-expressions>.
    pub struct Initial {
        /// An [`InitialKind`].
        pub kind: u32,
        /// Zero.
        pub reserved: u32,
        /// The low bits, or the index.
        pub low: u64,
        /// The high bits of a v128.
        pub high: u64,
    }
}

/// What a step of an expression does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Operation {
    /// Pushes the operand.
    Constant = 0,
    /// Pushes the imported global whose index is the operand.
    ImportedGlobal = 1,
    /// Replaces two i32 by their sum.
    Add32 = 2,
    /// Replaces two i32 by their difference.
    Subtract32 = 3,
    /// Replaces two i32 by their product.
    Multiply32 = 4,
    /// Replaces two i64 by their sum.
    Add64 = 5,
    /// Replaces two i64 by their difference.
    Subtract64 = 6,
    /// Replaces two i64 by their product.
    Multiply64 = 7,
}

impl Operation {
    /// The operation with this number.
    pub const fn from_number(number: u32) -> Option<Operation> {
        Some(match number {
            0 => Operation::Constant,
            1 => Operation::ImportedGlobal,
            2 => Operation::Add32,
            3 => Operation::Subtract32,
            4 => Operation::Multiply32,
            5 => Operation::Add64,
            6 => Operation::Subtract64,
            7 => Operation::Multiply64,
            _ => return None,
        })
    }

    /// What becomes of two operands; `None` for operations that have none.
    pub const fn apply(self, first: u64, second: u64) -> Option<u64> {
        let (low, other) = (first as u32, second as u32);
        Some(match self {
            Operation::Constant | Operation::ImportedGlobal => return None,
            Operation::Add32 => low.wrapping_add(other) as u64,
            Operation::Subtract32 => low.wrapping_sub(other) as u64,
            Operation::Multiply32 => low.wrapping_mul(other) as u64,
            Operation::Add64 => first.wrapping_add(second),
            Operation::Subtract64 => first.wrapping_sub(second),
            Operation::Multiply64 => first.wrapping_mul(second),
        })
    }
}

record! {
    /// A step of an expression, in postfix order: a stack of values is empty at first and holds the result at the end.
    pub struct ExpressionStep {
        /// An [`Operation`].
        pub operation: u32,
        /// Zero.
        pub reserved: u32,
        /// See [`Operation`].
        pub operand: u64,
    }
}

record! {
    /// A global.
    pub struct Global {
        /// A value type number.
        pub value_type: u32,
        /// Bit 0: mutable. Bit 1: imported.
        pub flags: u32,
        /// Its distance below vmctx, a multiple of [`crate::vmctx::GLOBAL_BYTES`]. Every global has a place, so that every
        /// export can be read the same way; code may still have folded constants.
        pub state_offset: u32,
        /// Zero.
        pub reserved: u32,
        /// Its initial value; imported globals: ignored.
        pub initial: Initial,
    }
}

/// [`Global::flags`], [`Table::flags`]: the guest can change it.
pub const FLAG_MUTABLE: u32 = 1;
/// [`Global::flags`], [`Table::flags`], [`Memory::flags`]: imported.
pub const FLAG_IMPORTED: u32 = 2;
/// [`Table::flags`], [`Memory::flags`]: has a maximum.
pub const FLAG_HAS_MAXIMUM: u32 = 4;
/// [`Table::flags`], [`Memory::flags`]: 64-bit indices.
pub const FLAG_INDEX_64: u32 = 8;

record! {
    /// A table.
    pub struct Table {
        /// A value type number: of a reference.
        pub element_type: u32,
        /// [`FLAG_IMPORTED`], [`FLAG_HAS_MAXIMUM`]; [`FLAG_MUTABLE`] when code or host may change it.
        pub flags: u32,
        /// Elements at first.
        pub minimum: u64,
        /// Elements at most, when flagged.
        pub maximum: u64,
        /// Distance of its descriptor below vmctx.
        pub state_offset: u32,
        /// Zero.
        pub reserved: u32,
        /// What its elements are at first, before element segments.
        pub initial: Initial,
    }
}

record! {
    /// A memory.
    pub struct Memory {
        /// [`FLAG_IMPORTED`], [`FLAG_HAS_MAXIMUM`], [`FLAG_INDEX_64`].
        pub flags: u32,
        /// Log2 of its page size: 16 or 0.
        pub page_size_log2: u32,
        /// Pages at first.
        pub minimum: u64,
        /// Pages at most, when flagged.
        pub maximum: u64,
        /// Distance of its descriptor below vmctx; 0 for a memory 0 that is not imported, which has none.
        pub state_offset: u32,
        /// Zero.
        pub reserved: u32,
    }
}

impl Memory {
    /// Bytes at first; `u64::MAX` where there are more than that.
    pub const fn minimum_bytes(&self) -> u64 {
        self.bytes(self.minimum)
    }

    /// Bytes at most, by what the module declares and its indices can express. A memory of the module's own leaves headroom.
    pub const fn maximum_bytes(&self) -> u64 {
        let addressable = if self.flags & FLAG_INDEX_64 == 0 {
            1 << 32
        } else {
            u64::MAX
        };
        let declared =
            if self.flags & FLAG_HAS_MAXIMUM == 0 || self.bytes(self.maximum) > addressable {
                addressable
            } else {
                self.bytes(self.maximum)
            };
        if self.flags & (FLAG_INDEX_64 | FLAG_IMPORTED) == 0 {
            with_headroom(self.minimum_bytes(), declared)
        } else {
            declared
        }
    }

    const fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(1 << (self.page_size_log2 & 63))
    }
}

/// When a segment is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SegmentMode {
    /// At instantiation, then dropped.
    Active = 0,
    /// By `memory.init` and `table.init`.
    Passive = 1,
    /// Element segments only: never; it declares references.
    Declared = 2,
}

impl SegmentMode {
    /// The mode with this number.
    pub const fn from_number(number: u32) -> Option<SegmentMode> {
        Some(match number {
            0 => SegmentMode::Active,
            1 => SegmentMode::Passive,
            2 => SegmentMode::Declared,
            _ => return None,
        })
    }
}

record! {
    /// An element segment.
    pub struct ElementSegment {
        /// A [`SegmentMode`].
        pub mode: u32,
        /// The table of an active segment.
        pub table: u32,
        /// Where in the table.
        pub offset: Initial,
        /// Index of its first item in [`Section::ElementItems`]: a number in [`Section::Funcrefs`], or the index of
        /// an imported global with [`ITEM_GLOBAL`] set.
        pub items: u32,
        /// How many items.
        pub count: u32,
        /// Distance below vmctx of the byte that is 1 when it has been dropped.
        pub dropped_offset: u32,
        /// A value type number.
        pub element_type: u32,
    }
}

/// In an element item: the value is that of an imported global.
pub const ITEM_GLOBAL: u64 = 1 << 63;

record! {
    /// A data segment.
    pub struct DataSegment {
        /// A [`SegmentMode`].
        pub mode: u32,
        /// The memory of an active segment.
        pub memory: u32,
        /// Where in the memory.
        pub offset: Initial,
        /// Its bytes; empty for active segments that are part of the initial runs.
        pub bytes: Span,
        /// Distance below vmctx of the byte that is 1 when it has been dropped.
        pub dropped_offset: u32,
        /// Zero.
        pub reserved: u32,
    }
}

record! {
    /// Bytes of a defined memory at instantiation. Runs are sorted by memory and destination, and do not overlap.
    pub struct InitialRun {
        /// Where in the memory.
        pub destination: u64,
        /// What.
        pub bytes: Span,
        /// Which memory.
        pub memory: u32,
        /// Zero.
        pub reserved: u32,
    }
}

/// Marks a position as the number of an [`InlinedPosition`].
pub const IN_PLACE: u32 = 1 << 31;

record! {
    /// Where an instruction comes from that belongs to another function than the code around it, in place of a call of it.
    pub struct InlinedPosition {
        /// The function, in the function index space.
        pub function: u32,
        /// Offset in the wasm file.
        pub wasm: u32,
        /// The position of the call, as positions are in [`super::source`].
        pub outer: u32,
    }
}

/// What a range of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CodeKind {
    /// A function of the module; `index` in the function index space.
    Function = 0,
    /// The guest-callable wrapper of an imported function; `index` in the function index space.
    ImportWrapper = 1,
    /// The stub that calls out; `index` in the function index space.
    ImportStub = 2,
    /// The stub of a helper; `index` is the helper's number.
    HelperStub = 3,
    /// The entry adapter of a function type; `index` is the type's.
    Adapter = 4,
    /// The typed stub of an export; `index` is the export's. It runs on the host's stack.
    TypedStub = 5,
    /// What calls functions of other instances that have one type; `index` is the type's.
    Bridge = 6,
}

impl CodeKind {
    /// How many kinds there are.
    pub const COUNT: u32 = CodeKind::Bridge as u32 + 1;

    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<CodeKind> {
        Some(match number {
            0 => CodeKind::Function,
            1 => CodeKind::ImportWrapper,
            2 => CodeKind::ImportStub,
            3 => CodeKind::HelperStub,
            4 => CodeKind::Adapter,
            5 => CodeKind::TypedStub,
            6 => CodeKind::Bridge,
            _ => return None,
        })
    }
}

record! {
    /// A range of text.
    pub struct CodeRange {
        /// Its first text offset.
        pub start: u32,
        /// Its length in bytes.
        pub length: u32,
        /// A [`CodeKind`].
        pub kind: u32,
        /// Of what, see [`CodeKind`].
        pub index: u32,
    }
}

record! {
    /// A function that can be referred to: the eight bytes that an indirect call reads.
    pub struct Funcref {
        /// Text offset of its code.
        pub code: u32,
        /// Index of its type in [`Section::FunctionTypes`]; [`super::NONE`] for null, as record 0 and empty elements of tables that
        /// nobody can change.
        pub function_type: u32,
    }
}

record! {
    /// An imported function whose arguments compiled code checks: it passes what the C function takes.
    pub struct CheckedImport {
        /// Its function index.
        pub function: u32,
        /// Its first check in [`Section::Checks`].
        pub first: u32,
        /// How many.
        pub count: u32,
        /// 1: a failed check gives the guest `answer`. 0: it traps.
        pub answers: u32,
        /// See `answers`.
        pub answer: u64,
    }
}

record! {
    /// A check: see [`crate::checks`].
    pub struct Check {
        /// Which parameter of the C function, behind the call.
        pub parameter: u32,
        /// Kind and access.
        pub kind: u32,
        /// What the kind compares with.
        pub limit: u32,
        /// Bytes of an element or object.
        pub element: u32,
        /// What its address is a multiple of.
        pub align: u32,
        /// Zero.
        pub reserved: u32,
    }
}

/// How a section's content is laid out.
pub(crate) fn record_bytes(section: Section) -> usize {
    use crate::bytes::Record;
    match section {
        Section::Strings
        | Section::Names
        | Section::ValueTypes
        | Section::TrapCodes
        | Section::SourceMap => 1,
        Section::FunctionTypes => FunctionType::SIZE,
        Section::Imports => Import::SIZE,
        Section::Exports => Export::SIZE,
        Section::Functions => Function::SIZE,
        Section::Globals => Global::SIZE,
        Section::Tables => Table::SIZE,
        Section::Memories => Memory::SIZE,
        Section::ElementSegments => ElementSegment::SIZE,
        Section::ElementItems => 8,
        Section::DataSegments => DataSegment::SIZE,
        Section::InitialRuns => InitialRun::SIZE,
        Section::TrapOffsets => 4,
        Section::SourceBlocks => source::SourceBlock::SIZE,
        Section::CodeRanges => CodeRange::SIZE,
        Section::Funcrefs => Funcref::SIZE,
        Section::Expressions => ExpressionStep::SIZE,
        Section::CheckedImports => CheckedImport::SIZE,
        Section::Checks => Check::SIZE,
        Section::Tags => exceptions::Tag::SIZE,
        Section::CallSites => exceptions::CallSite::SIZE,
        Section::Handlers => exceptions::Handler::SIZE,
        Section::Inlined => InlinedPosition::SIZE,
    }
}
