//! The stack of a slot between guests.
//!
//! No guest can read it, and compiled code reads nothing there that it has not written. So what a guest that returned leaves in the upper
//! [`UPPER`] bytes stays. After a guest that was stopped, or is seen to have gone deeper, all of the stack is zero:
//!
//! ```text
//!   | guard | given back to the kernel | cleared by writing | as after a return: shares a page with tables |
//!           ^ stack_low                ^ `stack_kept` below stack_high                                     ^ stack_high
//! ```
//!
//! As a rule all is given back, and `stack_kept` is 0. Where guests go deep again and again, bringing the pages into memory for each of
//! them costs several times what clearing costs, so what they reach is kept: as long as there is one in [`PATIENCE`] uses of the slot, up to a
//! quarter of `keep_resident_bytes`, and within the region's budget.
//!
//! Invariants:
//! * what is below `stack_kept` is given back whenever the stack is cleaned, so no guess of how deep a guest was can leave anything;
//! * the words that [`was_deep`] looks at are zero when a guest begins.

use super::{Region, budget, verify};
use crate::clear;
use crate::control::ControlBlock;
use crate::error::Result;
use lucet_format::PAGE_SIZE;

/// Bytes at the top that stay as a guest has left them.
const UPPER: u64 = 32 << 10;
/// Words that are looked at below some depth.
const PROBE: usize = 32;
/// Words that are looked at where the region has a budget to keep, and to find out how deep a guest was: a page. Frames that are larger
/// than a page have been probed, and each probe leaves a word that is not zero, so no guest hides a deep stack from that.
const CAREFUL_PROBE: usize = 512;
/// Uses of a slot after a deep one that do not count as many.
const PATIENCE: u32 = 16;

const PAGE: usize = PAGE_SIZE as usize;

/// How a guest has left its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It returned: what is below its last frame cannot be read by any guest.
    Returned,
    /// It was stopped, perhaps deep in recursion.
    Stopped,
}

/// Leaves nothing on a slot's stack that need not stay. Answers how many bytes of it stay in memory at most.
///
/// # Safety
///
/// No guest runs in the slot, and nobody holds a reference into its stack.
pub unsafe fn clean(region: &Region, block: &ControlBlock, left: Left) -> Result<u64> {
    let kept_before = block.stack_kept.get();
    let deep = match left {
        Left::Stopped if kept_before == 0 => stopped_deep(block),
        Left::Stopped | Left::Returned => was_deep(region, block),
    };
    let kept = to_keep(region, block, deep);
    if left == Left::Returned && !deep && kept == kept_before {
        return Ok(kept.max(UPPER.min(region.layout.sizes.stack)));
    }
    block.stack_kept.set(kept);
    // SAFETY: the caller's promise.
    unsafe { wipe(region, block, kept as usize) }?;
    Ok(kept)
}

/// Keeps nothing for guests that go deep: there is no room for it.
///
/// # Safety
///
/// As [`clean`].
pub(super) unsafe fn give_up(region: &Region, block: &ControlBlock) -> Result<()> {
    if block.stack_kept.get() == 0 {
        return Ok(());
    }
    forget(block);
    // SAFETY: the caller's promise.
    unsafe { wipe(region, block, 0) }
}

/// Says of a control block that its slot keeps no stack.
pub(super) fn forget(block: &ControlBlock) {
    block.stack_kept.set(0);
    block.stack_patience.set(0);
}

/// How much of the stack to keep from now on.
fn to_keep(region: &Region, block: &ControlBlock, deep: bool) -> u64 {
    let patience = block.stack_patience.get();
    let left = if deep {
        PATIENCE
    } else {
        patience.saturating_sub(1)
    };
    block.stack_patience.set(left);
    if patience == 0 {
        return 0;
    }
    let kept = block.stack_kept.get();
    if !deep {
        return kept;
    }
    let wanted = kept.max(reached(region, block));
    if budget::has_room(region, block, wanted) {
        wanted
    } else {
        0
    }
}

/// How deep the guest was, rounded up, and not more than what may be kept.
fn reached(region: &Region, block: &ControlBlock) -> u64 {
    let stack = region.layout.sizes.stack;
    let most = stack.min(region.config.keep_resident_bytes / 4 / PAGE_SIZE * PAGE_SIZE);
    let mut depth = 2 * UPPER;
    while depth < most && used_below(block, depth, CAREFUL_PROBE) {
        depth *= 2;
    }
    if most <= UPPER { 0 } else { depth.min(most) }
}

/// Makes the stack zero and gives back what is deeper than `kept`.
///
/// # Safety
///
/// As [`clean`].
unsafe fn wipe(region: &Region, block: &ControlBlock, kept: usize) -> Result<()> {
    let (low, high) = (block.stack_low.get(), block.stack_high.get());
    // Not what shares a page with tables and state: it stays as it does after a return, and valgrind takes writes to it, from another
    // stack, for mistakes.
    let whole = high / PAGE * PAGE;
    let from = (high - kept).clamp(low, whole) / PAGE * PAGE;
    // SAFETY: the caller's promise; the stack is accessible since the slot was prepared.
    unsafe {
        clear::clear(from as *mut u8, whole - from);
        region
            .slots()
            .discard(low - region.slots().base(), from - low)?;
    }
    if region.config.verify {
        // SAFETY: the same.
        unsafe { verify::zeros(region, block, low, whole - low, "the stack") }?;
    }
    Ok(())
}

/// Whether the guest's stack has been used so far down that keeping its pages is to be thought about.
fn was_deep(region: &Region, block: &ControlBlock) -> bool {
    let words = if region.config.budget_bytes == 0 {
        PROBE
    } else {
        CAREFUL_PROBE
    };
    region.layout.sizes.stack > UPPER && used_below(block, UPPER, words)
}

/// Whether a guest was stopped so far down. Looking at its stack would cost a page fault in most cases, and all of it is made zero
/// in any case.
fn stopped_deep(block: &ControlBlock) -> bool {
    let upper = block.stack_high.get() - UPPER as usize;
    (block.stack_guard.get()..upper).contains(&block.trap.get().stack)
}

/// Whether a stack, which is deeper than `depth`, has been used just below that. Frames hold return addresses, so of some neighbouring
/// words at least one is not zero where frames have been.
fn used_below(block: &ControlBlock, depth: u64, words: usize) -> bool {
    let at = (block.stack_high.get() - depth as usize - words * 8) as *const u64;
    // SAFETY: the words are on the slot's stack, which is at least a page longer than `depth`; the guest does not run.
    (0..words).any(|word| unsafe { at.add(word).read_volatile() } != 0)
}
