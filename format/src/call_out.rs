//! How guest code calls imports without their stubs, where calls are worth the bytes.
//!
//! A row of the import table says what is called, and in which state the guest is meanwhile: of a leaf, which stays on the guest's stack, the C
//! function itself; of others a trampoline that changes stacks. So one sequence does for all imports without stack arguments and with at
//! most one result:
//!
//! ```text
//!   block = [vmctx - CONTROL_BLOCK]                      the control block
//!   rsp >= [vmctx - LEAF_STACK_LIMIT]                    else the import's stub is called, which says what becomes of it
//!   row = [block + IMPORTS] + i * IMPORT_ROW_BYTES       the import's row
//!   dword [block + CALL_ROW] = i * IMPORT_ROW_BYTES
//!   qword [block + HOST_CALLS] += 1
//!   byte [block + STATE] = byte [row + ROW_STATE]
//!   call [row + ROW_ENTRY], with block in place of vmctx
//!   byte [block + STATE] = IN_GUEST
//!   byte [block + STOP] != 0: the helper `Look`
//! ```
//!
//! Invariants: what is read here is constant while a guest runs, but for `HOST_CALLS` and `STOP`; nothing between the two changes of the state can
//! fault but what is called; the state is the guest's again before the stop word is looked at, so that a stop is either seen there, or comes by
//! a signal.
//!
//! The numbers are those of the runtime's types, which are compared with them when it is compiled. They are part of
//! [`crate::ABI_REVISION`].

/// Control block: the address of the module's import table.
pub const IMPORTS: u32 = 32;
/// Control block: the state, of which the low byte says where the guest is.
pub const STATE: u32 = 40;
/// Control block: the low byte is not 0 when the guest is to be stopped.
pub const STOP: u32 = 80;
/// Control block: calls of host functions, u64.
pub const HOST_CALLS: u32 = 104;
/// Control block: which import is being called, as bytes from the start of the import table: u32.
pub const CALL_ROW: u32 = 112;

/// Bytes between two imports in the import table.
pub const IMPORT_ROW_BYTES: u32 = 40;
/// A row of the import table: what guest code calls.
pub const ROW_ENTRY: u32 = 24;
/// A row of the import table: the state meanwhile, one byte.
pub const ROW_STATE: u32 = 34;

/// The state of an instance whose own code runs.
pub const IN_GUEST: u32 = 3;
/// The state of an instance whose leaf host function runs.
pub const IN_LEAF: u32 = 5;
