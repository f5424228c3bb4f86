//! Rows of import tables: what a guest's call out ends up at.
//!
//! The call-out trampoline and guest code read them by the offsets of their fields. They do not know what rows are made from: [`crate::linker`] does.

use super::state;
use lucet_format::call_out;
use std::mem::offset_of;

/// One row of a linked module's import table. Lives in pages that are read-only once the module is linked.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImportTarget {
    /// What the trampoline calls: the host's function, or a thunk of `context` for definitions with dynamic types or checks.
    pub function: *const (),
    /// What `lucet_call_data` answers; for dynamic definitions the host's data as well.
    pub data: *mut (),
    /// Dynamic definitions: the host's function of type `lucet_dynamic_function`. Checked ones: their plan.
    pub dynamic: *const (),
    /// What guest code calls that needs no stub, see [`lucet_format::call_out`].
    pub entry: *const (),
    /// Bit 0 ([`ImportTarget::LEAF`]): run on the guest's stack. Bit 1 ([`ImportTarget::POISON`]), where the function is given
    /// arrays: the views that it asks for end with it.
    pub flags: u16,
    /// The state in which guest code calls `entry`.
    pub state: u16,
    /// The import's index in the function index space.
    pub index: u32,
}

const _: () = assert!(
    size_of::<ImportTarget>() == call_out::IMPORT_ROW_BYTES as usize
        && offset_of!(ImportTarget, entry) == call_out::ROW_ENTRY as usize
        && offset_of!(ImportTarget, state) == call_out::ROW_STATE as usize,
    "guest code knows them"
);

impl ImportTarget {
    /// The function is a leaf.
    pub const LEAF: u16 = 1;
    /// See [`ImportTarget::flags`].
    pub const POISON: u16 = 2;
    /// No import: a row that has not been filled.
    pub const EMPTY: ImportTarget = ImportTarget {
        function: std::ptr::null(),
        data: std::ptr::null_mut(),
        dynamic: std::ptr::null(),
        entry: std::ptr::null(),
        flags: 0,
        state: state::GUEST as u16,
        index: 0,
    };
}
