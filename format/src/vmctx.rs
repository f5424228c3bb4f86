//! Where guest code finds its state. The vm context pointer *is* the base of linear memory 0, so a guest's
//! load needs no other base register; the instance's state lies below it.
//!
//! ```text
//!   addresses grow to the right
//!
//!   | module part                 | fixed header (256 bytes)    | linear memory 0 ...
//!   | globals, descriptors of     | see the constants below     |
//!   | tables and of further       |                             |
//!   | memories, segment flags     |                             |
//!   ^ vmctx - state_bytes         ^ vmctx - HEADER_BYTES        ^ vmctx
//! ```
//!
//! Offsets here are distances *below* vmctx: a field at distance `d` occupies `[vmctx - d, vmctx - d + size)`.
//! The fixed header is nearest the base, so that fields can be added to it without moving a module's part.
//! Guest-readable state holds data and never a code pointer: functions are reached by indices into
//! read-only tables, so that no write to this area can redirect control flow to a new address.

/// Bytes of the fixed header.
pub const HEADER_BYTES: u32 = 256;

/// The host's control block of this instance: a pointer, used by the trampolines and by calls out, see [`crate::call_out`].
pub const CONTROL_BLOCK: u32 = 8;

/// The current length of linear memory 0 in bytes: u64. Changed by growth only.
pub const MEMORY_BYTES: u32 = 16;

/// The lowest address that a leaf host function may find the guest's stack pointer at: u64.
pub const LEAF_STACK_LIMIT: u32 = 24;

/// The lowest address that functions compiled with a check of their stack let the stack pointer reach: u64.
pub const STACK_LIMIT: u32 = 32;

/// Where accesses are sent that fail a check: u64, the address of [`crate::contract::GUARD`] inaccessible bytes. Code whose memory 0
/// has a reservation knows that they lie behind it, and does not read this.
pub const TRAP_ADDRESS: u32 = 40;

/// A range of memory 0 that is known to be writable, for code that checks the arguments of its calls out: its first byte, u64. Empty at first.
pub const WRITABLE_FIRST: u32 = 48;

/// The byte behind that range: u64.
pub const WRITABLE_END: u32 = 56;

/// The function of another instance that is about to be called: u64, its reference. Written and read by the same call, see
/// [`crate::image::records::CodeKind::Bridge`].
pub const FOREIGN: u32 = 64;

/// References from here on are to functions of other instances; no module has so many. Such a number is the identity of an instance
/// times this, plus the reference as that instance knows it.
pub const FIRST_FOREIGN: u64 = 1 << 20;

/// A memory descriptor in the module part, for every memory but a memory 0 that the module defines: the address of its first byte.
pub const MEMORY_BASE: u32 = 0;
/// A memory descriptor: the length in bytes, u64, at this offset above the descriptor's start. Of an imported memory: the address
/// of its length.
pub const MEMORY_LENGTH: u32 = 8;
/// Bytes of a memory descriptor.
pub const MEMORY_DESCRIPTOR_BYTES: u32 = 16;

/// A table descriptor in the module part: the address of element 0.
pub const TABLE_BASE: u32 = 0;
/// A table descriptor: the number of elements, u64, at this offset above the descriptor's start.
pub const TABLE_LENGTH: u32 = 8;
/// Bytes of a table descriptor.
pub const TABLE_DESCRIPTOR_BYTES: u32 = 16;
/// Bytes of a table element: a funcref is an index into the image's funcref records (0 is null), an
/// externref is the host's pointer (0 is null).
pub const TABLE_ELEMENT_BYTES: u32 = 8;

/// Bytes that one global takes in the module part, whatever its type. The cell of an imported mutable global holds the address of
/// the cell that its owner has for it.
pub const GLOBAL_BYTES: u32 = 16;

/// The most state a module may ask for: 65 536 globals and a few descriptors.
pub const MAX_STATE_BYTES: u32 = 2 << 20;
