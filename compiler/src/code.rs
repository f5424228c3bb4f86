//! Machine code between translation and the object file: what the one produces and the other places.
//!
//! A [`Code`] is one contiguous piece of text with everything that must be known of it. It is independent
//! of where it will be placed: references to other pieces are [`Relocation`]s against [`Target`]s.
//!
//! This file decides nothing; it is the seam between `translate`/`compile` and `object`.

use cranelift_codegen::isa::unwind::UnwindInfo;
use lucet_format::image::records::CodeKind;
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A function's guest-callable code: its own, or the wrapper of an import. Function index space.
    Function(u32),
    /// The stub that calls an imported function out. Function index space.
    ImportStub(u32),
    /// What calls functions of other instances that have a type, by the index in `Module::types`.
    Bridge(u32),
    /// The stub of a runtime helper.
    HelperStub(Helper),
    /// The first byte of text: what code offsets in funcref records count from.
    TextStart,
    /// The funcref records (`Section::Funcrefs`), which indirect calls index.
    Funcrefs,
    /// An entry of the runtime table.
    RuntimeTable(u32),
    /// The first byte of the file.
    ImageStart,
}

/// Four bytes at `offset` become `target + addend - address of the four bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where in the piece.
    pub offset: u32,
    /// What.
    pub target: Target,
    /// What to add.
    pub addend: i64,
}

/// A call that has handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The offset of the instruction behind the call.
    pub offset: u32,
    /// How far below the frame pointer the stack pointer is there.
    pub frame: u32,
    /// In the order in which they are tried: the tag (`None`: every one), and the offset of the handler.
    pub handlers: Vec<(Option<u32>, u32)>,
}

/// Where an instruction comes from that is in place of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of which function it is.
    pub function: u32,
    /// Its offset in the wasm file.
    pub wasm: u32,
    /// The position of the call, as in [`Code::positions`].
    pub outer: u32,
}

/// A piece of text.
#[derive(Clone, Debug)]
pub struct Code {
    /// What it is.
    pub kind: CodeKind,
    /// Of what: see [`CodeKind`].
    pub index: u32,
    /// The instructions.
    pub bytes: Vec<u8>,
    /// The alignment that it needs: a power of two.
    pub align: u32,
    /// Whether it may use a vector register, as floats do too.
    pub vectors: bool,
    /// References to be resolved.
    pub relocations: Vec<Relocation>,
    /// Instructions that may trap: offset in the piece, ascending.
    pub traps: Vec<(u32, TrapCode)>,
    /// Calls with handlers, ascending.
    pub calls: Vec<CallSite>,
    /// Where instructions come from: offset in the piece, ascending, and offset in the wasm file (`None`: nowhere), or
    /// [`lucet_format::image::records::IN_PLACE`] and an index into `places`.
    pub positions: Vec<(u32, Option<u32>)>,
    /// Where what is in place of calls comes from.
    pub places: Vec<Place>,
    /// How to unwind it; `None` for stubs, which have no frame.
    pub unwind: Option<UnwindInfo>,
    /// Text for `--emit clif` or `--emit asm`, when asked for.
    pub listing: Option<String>,
}
