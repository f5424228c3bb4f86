//! Looking through the callers' frames for a host function of a guest's, by the compiler's unwind tables.
//!
//! Only [`super::abandon`] asks, where the addresses alone say nothing. Hosts in C have such tables, unless told otherwise; guests have none that
//! are known here, so the first guest that is met is the last frame.

use crate::context;
use crate::control::ControlBlock;
use std::ffi::{c_int, c_void};

unsafe extern "C" {
    // Of the compiler's runtime, which the standard library needs as well.
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(frame: *mut c_void) -> usize;
    fn _Unwind_GetCFA(frame: *mut c_void) -> usize;
    fn _Unwind_GetGR(frame: *mut c_void, register: c_int) -> usize;
}

const GO_ON: c_int = 0;
const STOP: c_int = 5;
/// DWARF's number of rbx, which is the block in trampolines.
const RBX: c_int = 3;

/// What the frames say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The caller is in a host function of the guest's, which was called with the host's stack there, or a little above.
    Inside(usize),
    /// The run's frames are gone.
    Left,
    /// The last frame has no tables.
    Nothing,
}

struct Search {
    block: usize,
    entered_at: usize,
    found: Found,
}

extern "C" fn visit(frame: *mut c_void, search: *mut c_void) -> c_int {
    // SAFETY: what `search` has passed on.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: a frame, as long as this runs.
    let (pc, stack, rbx) = unsafe {
        (
            _Unwind_GetIP(frame),
            _Unwind_GetCFA(frame),
            _Unwind_GetGR(frame, RBX),
        )
    };
    let (first, end) = context::trampolines();
    if (first..end).contains(&pc) && rbx == search.block {
        search.found = Found::Inside(stack);
        return STOP;
    }
    if stack > search.entered_at {
        search.found = Found::Left;
        return STOP;
    }
    GO_ON
}

/// Looks for a host function of this block's guest, whose run began with the host's stack there.
pub(super) fn search(block: &ControlBlock, entered_at: usize) -> Found {
    let mut search = Search {
        block: std::ptr::from_ref(block) as usize,
        entered_at,
        found: Found::Nothing,
    };
    // SAFETY: the function is called with the pointer, as long as this runs, and reads what the tables say.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.found
}
