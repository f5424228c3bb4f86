//! Rows of import tables: what a guest's call out ends up at.
//!
//! The call-out trampoline reads them by the offsets of their fields. It does not know what they are made from: [`crate::linker`] does.

/// One row of a linked module's import table, read by the call-out trampoline. Lives in pages that are
/// read-only once the module is linked.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImportTarget {
    /// What the trampoline calls: the host's function, or a thunk of `context` for definitions with dynamic types or checks.
    pub function: *const (),
    /// What `lucet_call_data` answers; for dynamic definitions the host's data as well.
    pub data: *mut (),
    /// Dynamic definitions: the host's function of type `lucet_dynamic_function`. Checked ones: their plan.
    pub dynamic: *const (),
    /// Bit 0 ([`ImportTarget::LEAF`]): run on the guest's stack. Bit 1 ([`ImportTarget::POISON`]), where the function is given
    /// arrays: the views that it asks for end with it.
    pub flags: u32,
    /// The import's index in the function index space.
    pub index: u32,
}

impl ImportTarget {
    /// The function is a leaf.
    pub const LEAF: u32 = 1;
    /// See [`ImportTarget::flags`].
    pub const POISON: u32 = 2;
    /// No import: a row that has not been filled.
    pub const EMPTY: ImportTarget = ImportTarget {
        function: std::ptr::null(),
        data: std::ptr::null_mut(),
        dynamic: std::ptr::null(),
        flags: 0,
        index: 0,
    };
}
