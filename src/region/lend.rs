//! Lending a part of a stack's guard to a signal handler of the host's.
//!
//! A handler that was installed without `SA_ONSTACK` runs on the stack of the guest it interrupts, and the guest may have left it little.
//! The handler is not to blame, so it gets the upper three quarters of the guard, until the instance is reset or released:
//!
//! ```text
//!   | guard | lent            | guest stack                      |
//!           ^ lent_low        ^ stack_low        handler <- guest
//! ```
//!
//! Meanwhile the guest's own stack is as much longer; its overflow is found by what is left of the guard.
//!
//! Invariant: [`lend`] is async-signal-safe and runs on the thread that runs the guest; [`take_back`] when no guest runs.

use super::Region;
use crate::control::ControlBlock;
use crate::error::Result;
use crate::mapping::{self, Access};
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// The lowest address that can be lent.
pub fn lowest(block: &ControlBlock) -> usize {
    let (guard, low) = (block.stack_guard.get(), block.stack_low.get());
    let most = low.saturating_sub(guard) / 4 * 3;
    low - most / PAGE_SIZE as usize * PAGE_SIZE as usize
}

/// Whether there is nothing left to lend.
pub fn is_lent(block: &ControlBlock) -> bool {
    block.guard_lent.load(Ordering::Relaxed)
}

/// Makes the part accessible. False: the kernel refuses.
pub fn lend(block: &ControlBlock) -> bool {
    let (from, to) = (lowest(block), block.stack_low.get());
    // SAFETY: the range is the slot's, whose memory `take_back` puts right.
    let lent = from < to && unsafe { mapping::protect_now(from, to - from, Access::ReadWrite) };
    if lent {
        block.guard_lent.store(true, Ordering::Relaxed);
    }
    lent
}

/// Makes it guard again, with nothing in it.
///
/// # Safety
///
/// The instance does not run.
pub unsafe fn take_back(region: &Region, block: &ControlBlock) -> Result<()> {
    if !is_lent(block) {
        return Ok(());
    }
    let (from, to) = (lowest(block), block.stack_low.get());
    let offset = from - region.slots().base();
    // SAFETY: the caller's promise; the pages have been made accessible.
    unsafe { region.slots().discard(offset, to - from) }?;
    region.slots().protect(offset, to - from, Access::None)?;
    block.guard_lent.store(false, Ordering::Relaxed);
    Ok(())
}
