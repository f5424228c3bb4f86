//! What guest code leaves to the runtime ([`lucet_format::runtime::Helper`]). Called by `helper_call`, on the host's
//! stack, with the control block as first argument.
//!
//! A helper that traps records the request and returns anything: the trampoline leaves the guest. Checks
//! come first, so a helper that traps has changed nothing; the specification demands it of bulk operations.
//!
//! What may take long is done in [`pieces`]. Growing is not: a memory grows by one system call, and a table by at most what the region
//! allows, with its end moved before it is known.
//!
//! None of them can panic: every access is through `get` or checked ranges.

mod exception;
mod linked;
mod memory;
mod pieces;
mod table;

use crate::control::{ControlBlock, Request};
use crate::instance::{Inner, Live};
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;

/// A helper's address. The signatures differ; compiled code and [`lucet_format::runtime::Helper`] agree on them.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Address(*const ());

// SAFETY: the address of a function may be used from any thread.
unsafe impl Sync for Address {}

/// The helpers by number, for the trampoline.
pub static TABLE: [Address; Helper::ALL.len()] = [
    Address(memory::grow as *const ()),
    Address(memory::copy as *const ()),
    Address(memory::fill as *const ()),
    Address(memory::init as *const ()),
    Address(memory::drop_data as *const ()),
    Address(table::grow as *const ()),
    Address(table::fill as *const ()),
    Address(table::copy as *const ()),
    Address(table::init as *const ()),
    Address(table::drop_elements as *const ()),
    Address(memory::is_text as *const ()),
    Address(memory::open as *const ()),
    Address(exception::throw as *const ()),
    Address(exception::throw_ref as *const ()),
    Address(exception::catch as *const ()),
    Address(linked::table_get as *const ()),
    Address(linked::table_set as *const ()),
    Address(linked::table_size as *const ()),
    Address(linked::global_get as *const ()),
    Address(linked::global_set as *const ()),
    Address(linked::call_foreign as *const ()),
    Address(look as *const ()),
];

/// [`Helper::Look`]: it is `helper_call` that looks.
extern "C" fn look(_block: *const ControlBlock) {}

/// Asks for the guest to be stopped with a trap when the helper returns.
fn trap(block: &ControlBlock, code: TrapCode) {
    block.ask(Request::Trap(u32::from(code.number())));
}

/// Runs `body` for the calling instance; `None` is the trap.
fn checked(
    block: *const ControlBlock,
    code: TrapCode,
    body: impl FnOnce(&'static ControlBlock, &Inner) -> Option<()>,
) {
    // SAFETY: `helper_call` passes the control block of the running instance; blocks live for ever.
    let block = unsafe { &*block };
    let done = Live { block }
        .inner()
        .ok()
        .and_then(|inner| body(block, inner));
    if done.is_none() {
        trap(block, code);
    }
}

/// Whether a segment has been dropped; its flag is a byte of the state.
fn is_dropped(block: &ControlBlock, distance: u32) -> bool {
    // SAFETY: parsing has checked that the flag lies within the state.
    unsafe { *((block.vmctx.get() - distance as usize) as *const u8) != 0 }
}

fn drop_segment(block: &ControlBlock, distance: u32) {
    // SAFETY: as above; the guest has called out.
    unsafe { *((block.vmctx.get() - distance as usize) as *mut u8) = 1 };
}
