//! Changing between the host's stack and a guest's. The assembly is in [`x86_64`]; here is what the rest of
//! the crate needs to know of it.

mod attached;
mod by_handle;
mod callee;
mod checked;
mod x86_64;

use crate::control::{ControlBlock, exit, state};
use lucet_format::runtime::{
    FastResult, HELPER_CALL, HOST_CALL, HOST_CALL_SHORT, IS_TEXT, RUNTIME_TABLE_ENTRIES,
    TYPED_ENTRY,
};

pub use attached::{runner, set_runner};
pub use by_handle::ByHandle;
pub use callee::{Callee, INTEGERS};
pub use checked::{
    Prepared, checked_ranges, checked_thunk, poisoned_passing_thunk, poisoned_thunk,
};
pub use x86_64::{Spill, dynamic_thunk, missing_import};

/// Enters a guest: runs `adapter(vmctx, code, values)` on the guest's stack from `block.entry_sp` down, and
/// returns how the guest was left ([`crate::control::exit`]).
///
/// # Safety
///
/// The thread is attached. The block is that of a live instance that this thread owns, `state` is `ENTERING`,
/// and all fields that trampolines and handlers read describe it. `adapter` and `code` are of its module, `values`
/// has room for the function's parameters and results.
pub unsafe fn enter(block: &ControlBlock, adapter: usize, code: usize, values: usize) -> u32 {
    // SAFETY: the caller's promises are the assembly's requirements.
    unsafe { x86_64::enter(std::ptr::from_ref(block).cast(), adapter, code, values) }
}

/// Goes on with a guest from `block.registers`: with all of them at the very instruction (`exact`), or at the return of the call out
/// in which it was left. Returns as [`enter`]. A guest that was entered the short way stores its result in `result`.
///
/// # Safety
///
/// As [`enter`], and the guest was left so that it can go on in this way, and has not run since.
pub unsafe fn resume(block: &ControlBlock, exact: bool, result: &mut u64) -> u32 {
    // SAFETY: the caller's promises are the assembly's requirements.
    let left =
        unsafe { x86_64::resume(std::ptr::from_ref(block).cast(), result, u32::from(exact)) };
    // The end of a short entry answers something else, and says by the state that it was this end.
    if block.state() == state::READY {
        exit::RETURNED
    } else {
        left
    }
}

/// First and one past the last address of the code that leaves a guest: whatever wants a guest to be left has been done there.
pub fn leaving() -> (usize, usize) {
    (
        x86_64::leave as *const () as usize,
        x86_64::leave_end as *const () as usize,
    )
}

/// First and one past the last address of the code that restores a preempted guest's registers.
pub fn restoring() -> (usize, usize) {
    (
        x86_64::restore as *const () as usize,
        x86_64::restore_end as *const () as usize,
    )
}

/// The addresses that a module's runtime table holds. `vectors`: its code may use vector registers.
pub fn runtime_table(vectors: bool) -> [usize; RUNTIME_TABLE_ENTRIES as usize] {
    let mut table = [0; RUNTIME_TABLE_ENTRIES as usize];
    table[HOST_CALL as usize] = x86_64::host_call as *const () as usize;
    table[HOST_CALL_SHORT as usize] = x86_64::host_call_short as *const () as usize;
    table[HELPER_CALL as usize] = x86_64::helper_call as *const () as usize;
    table[IS_TEXT as usize] = x86_64::is_text as *const () as usize;
    table[TYPED_ENTRY as usize] = x86_64::typed_entry as *const () as usize;
    for result in FastResult::ALL {
        let entry = match result {
            FastResult::Nothing if !vectors => x86_64::typed_nothing_bare as *const (),
            FastResult::Word32 if !vectors => x86_64::typed_word32_bare as *const (),
            FastResult::Word64 if !vectors => x86_64::typed_word64_bare as *const (),
            FastResult::Nothing => x86_64::typed_nothing as *const (),
            FastResult::Word32 => x86_64::typed_word32 as *const (),
            FastResult::Word64 => x86_64::typed_word64 as *const (),
            FastResult::Float32 => x86_64::typed_float32 as *const (),
            FastResult::Float64 => x86_64::typed_float64 as *const (),
        };
        table[result.entry() as usize] = entry as usize;
    }
    table
}

/// What guest code calls for imports that are not leaves, with the control block as first argument: see [`lucet_format::call_out`].
pub fn host_call_placed() -> *const () {
    x86_64::host_call_placed as *const ()
}

/// The same for leaves that are called through a thunk.
pub fn leaf_placed() -> *const () {
    x86_64::leaf_placed as *const ()
}

/// Where stubs of helpers jump: with the helper's number in r10, its arguments where System V has them, and vmctx before these.
pub fn helper_call_address() -> usize {
    x86_64::helper_call as *const () as usize
}

/// First and one past the last address of the code that touches guest stacks outside of modules. A fault there on a
/// guest's stack guard is the guest's stack overflow.
pub fn trampolines() -> (usize, usize) {
    (
        x86_64::trampolines_start as *const () as usize,
        x86_64::trampolines_end as *const () as usize,
    )
}

/// Where a signal handler sends a thread to leave a guest: with rbx = the control block, rax = the exit code,
/// direction flag clear.
pub fn leave_address() -> usize {
    x86_64::leave as *const () as usize
}
