//! The module image: what is in it ([`records`]), how it is checked ([`reader`]) and made ([`writer`]).
//!
//! The image starts with a [`Header`](records::Header), found through the ELF program header of type
//! [`PT_LUCET`], followed by the section table. A section is a range of the file that holds records of one
//! kind, or raw bytes. All offsets are file offsets; the runtime maps the file so that they are addresses, too.

mod check;
pub mod elf;
pub mod error;
pub mod exceptions;
mod quick;
pub mod reader;
pub mod records;
pub mod source;
mod sum;
pub mod writer;

pub use error::ImageError;
pub use reader::{HEAD_BYTES, Image, ImageIndex, Integrity};
pub use sum::{Summer, Sums};
pub use writer::ImageWriter;

/// The type of the program header that spans the image: the letters "luce" in the range for systems.
pub const PT_LUCET: u32 = 0x6c75_6365;

/// The first bytes of an image.
pub const MAGIC: [u8; 8] = *b"LUCETIMG";

/// "There is none" for indices and text offsets.
pub const NONE: u32 = u32::MAX;

/// The most functions, types or other entities of one kind an image may list: the validator's own limit.
pub const MAX_ENTRIES: u32 = 1_000_000;

/// The largest file.
pub const MAX_FILE_BYTES: u64 = 0x7fff_f000;

/// The sections of an image. The number is its place in the section table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Section {
    /// UTF-8 names of imports and exports, referred to by [`records::Span`]s.
    Strings = 0,
    /// Value type numbers, a byte each, referred to by function types.
    ValueTypes = 1,
    /// [`records::FunctionType`]: structurally distinct, so equal index means equal type.
    FunctionTypes = 2,
    /// [`records::Import`] of every kind, in the module's order.
    Imports = 3,
    /// [`records::Export`], sorted by name.
    Exports = 4,
    /// [`records::Function`]: imported ones first, as in the function index space.
    Functions = 5,
    /// [`records::Global`], imported ones first.
    Globals = 6,
    /// [`records::Table`], imported ones first.
    Tables = 7,
    /// [`records::Memory`], imported ones first.
    Memories = 8,
    /// [`records::ElementSegment`].
    ElementSegments = 9,
    /// u64 items of element segments, see [`records::ElementSegment::items`].
    ElementItems = 10,
    /// [`records::DataSegment`].
    DataSegments = 11,
    /// [`records::InitialRun`]: the non-zero content of memories, when every active segment's place is constant.
    InitialRuns = 12,
    /// u32 text offsets of instructions that may trap, ascending.
    TrapOffsets = 13,
    /// Trap numbers, a byte each, parallel to [`Section::TrapOffsets`].
    TrapCodes = 14,
    /// Steps of the source map: [`source`].
    SourceMap = 15,
    /// [`records::CodeRange`], ascending and not overlapping: every byte of text that can be executed.
    CodeRanges = 16,
    /// [`records::Funcref`]; number 0 is null.
    Funcrefs = 17,
    /// [`records::ExpressionStep`]: the constant expressions that need an instance's imports, one after the other.
    Expressions = 18,
    /// [`records::CheckedImport`]: functions whose arguments the compiled code checks, ascending by function.
    CheckedImports = 19,
    /// [`records::Check`]: what it checks.
    Checks = 20,
    /// [`exceptions::Tag`], imported ones first.
    Tags = 21,
    /// [`exceptions::CallSite`], ascending.
    CallSites = 22,
    /// [`exceptions::Handler`], grouped by function.
    Handlers = 23,
    /// [`records::InlinedPosition`]: each behind the one that its `outer` names.
    Inlined = 24,
    /// [`source::SourceBlock`], ascending.
    SourceBlocks = 25,
    /// UTF-8 names of functions, for messages, referred to by [`records::Span`]s.
    Names = 26,
}

impl Section {
    /// Sections in an image.
    pub const COUNT: usize = 27;

    /// Every section in order.
    pub const ALL: [Section; Section::COUNT] = [
        Section::Strings,
        Section::ValueTypes,
        Section::FunctionTypes,
        Section::Imports,
        Section::Exports,
        Section::Functions,
        Section::Globals,
        Section::Tables,
        Section::Memories,
        Section::ElementSegments,
        Section::ElementItems,
        Section::DataSegments,
        Section::InitialRuns,
        Section::TrapOffsets,
        Section::TrapCodes,
        Section::SourceMap,
        Section::CodeRanges,
        Section::Funcrefs,
        Section::Expressions,
        Section::CheckedImports,
        Section::Checks,
        Section::Tags,
        Section::CallSites,
        Section::Handlers,
        Section::Inlined,
        Section::SourceBlocks,
        Section::Names,
    ];

    /// Every section in the order of places in the file: first what is read at each load, then what is as long as the code is large, in the
    /// end what only backtraces read. Readers do not rely on it, but are quicker if what they read lies close together.
    pub const PLACES: [Section; Section::COUNT] = [
        Section::Strings,
        Section::ValueTypes,
        Section::FunctionTypes,
        Section::Imports,
        Section::Exports,
        Section::Globals,
        Section::Tables,
        Section::Memories,
        Section::ElementSegments,
        Section::DataSegments,
        Section::InitialRuns,
        Section::Expressions,
        Section::CheckedImports,
        Section::Checks,
        Section::Tags,
        Section::Functions,
        Section::Funcrefs,
        Section::ElementItems,
        Section::CodeRanges,
        Section::TrapOffsets,
        Section::TrapCodes,
        Section::CallSites,
        Section::Handlers,
        Section::SourceBlocks,
        Section::SourceMap,
        Section::Inlined,
        Section::Names,
    ];

    /// Whether it is aside: only backtraces read it, it has a checksum of its own, and its place is among the last ones.
    pub const fn is_aside(self) -> bool {
        matches!(
            self,
            Section::SourceBlocks | Section::SourceMap | Section::Inlined | Section::Names
        )
    }

    /// The name in error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Section::Strings => "strings",
            Section::ValueTypes => "value types",
            Section::FunctionTypes => "function types",
            Section::Imports => "imports",
            Section::Exports => "exports",
            Section::Functions => "functions",
            Section::Globals => "globals",
            Section::Tables => "tables",
            Section::Memories => "memories",
            Section::ElementSegments => "element segments",
            Section::ElementItems => "element items",
            Section::DataSegments => "data segments",
            Section::InitialRuns => "initial memory",
            Section::TrapOffsets => "trap offsets",
            Section::TrapCodes => "trap codes",
            Section::SourceMap => "source map",
            Section::CodeRanges => "code ranges",
            Section::Funcrefs => "function references",
            Section::Expressions => "expressions",
            Section::CheckedImports => "checked imports",
            Section::Checks => "checks",
            Section::Tags => "tags",
            Section::CallSites => "calls with handlers",
            Section::Handlers => "handlers",
            Section::Inlined => "inlined positions",
            Section::SourceBlocks => "blocks of the source map",
            Section::Names => "names of functions",
        }
    }
}
