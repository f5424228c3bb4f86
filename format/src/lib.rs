//! The contract between the compiler `lucetc` and the runtime `liblucet`.
//!
//! A compiled guest is one file: an ELF `ET_DYN` whose loadable part is laid out so that a file offset
//! equals its address (`p_offset == p_vaddr`), and inside it the *image*: tables of fixed-size records that
//! describe the module. Nothing in the file is a pointer and nothing needs relocating.
//!
//! ```text
//!   offset 0        page-aligned              page-aligned         not loaded
//!   +-------------+---------------------------+------------------+----------------------+
//!   | R           | R-X                       | RW, then R       | .symtab .strtab ...  |
//!   | ELF header  | .text: functions, import  | .dynamic         |                      |
//!   | image       | stubs, adapters, typed    | .lucet.runtime:  |                      |
//!   | .rodata     | entry stubs               | the runtime's    |                      |
//!   | .eh_frame   |                           | code pointers    |                      |
//!   +-------------+---------------------------+------------------+----------------------+
//! ```
//!
//! The crate defines each shared fact once:
//!
//! * [`image`]: the records, a writer for the compiler, and the checked reader for the runtime;
//! * [`vmctx`]: where guest code finds its state relative to the vm context pointer;
//! * [`contract`]: what a region must offer a module, and the CPU features that its code needs;
//! * [`trap`], [`value`]: the numbers of traps and value types, which are also the C API's numbers;
//! * [`runtime`]: what guest code may call in the runtime, and how; [`call_out`]: calls of imports without it.
//!
//! Invariants: no unsafe code; every offset and length in a file is checked once, by [`image::ImageIndex::parse`], with an error that names
//! the field, but what [`image::Integrity`] leaves to others; every later access goes through slices all the same.
//!
//! It does not decide policy: which modules a region accepts is the runtime's business.

#![forbid(unsafe_code)]

pub mod bytes;
pub mod call_out;
pub mod checks;
pub mod contract;
pub mod image;
pub mod runtime;
pub mod trap;
pub mod value;
pub mod vmctx;

/// The revision of the file layout. A runtime reads exactly this one.
pub const FORMAT_REVISION: u32 = 6;

/// The revision of the binary interface of guest code: calling conventions, vmctx layout, runtime table.
pub const ABI_REVISION: u32 = 3;

/// The size of a host page. Guest code relies on it for guard pages and stack probes.
pub const PAGE_SIZE: u64 = 4096;

/// The size of a WebAssembly page: <https://webassembly.github.io/spec/core/exec/runtime.html#memory-instances>.
pub const WASM_PAGE_SIZE: u64 = 65536;
