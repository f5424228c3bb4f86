//! Linear memory between instances: sealed and opened.
//!
//! ```text
//!   sealed    | cold: R | hot: RW | cold: R .... | hot: RW | cold: R |  fresh: what a new instance must find
//!                  a write to a cold page faults, whoever writes  |
//!                                                                 v  one mprotect
//!   opened    | RW .................................................. |
//! ```
//!
//! Restoring a sealed memory is copying its hot pages: nothing else can have changed, and no system call is needed. Restoring an
//! opened one asks the kernel which pages were written, so that they are hot the next time, gives the rest back, and seals.
//!
//! Invariants:
//! * while [`SEALED`], every page outside of the block's hot set is what it is in a fresh memory, and read-only;
//! * after [`restore`] and after [`occupy`], memory up to `accessible` is what a fresh instance must find;
//! * [`open`] is async-signal-safe, and may run on any thread.
//!
//! A memory whose guests write too many pages, or never the same ones, stays opened: it is restored by the kernel.

use super::{Region, pagemap, probe, slot};
use crate::control::ControlBlock;
use crate::error::Result;
use crate::hot::{HotSet, Pages, Sampling};
use crate::mapping::{self, Access};
use crate::module::InitialMemory;
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// `ControlBlock::sealed`: all pages can be written, and have been able to since the memory was made.
pub const PLAIN: u32 = 0;
/// `ControlBlock::sealed`: cold pages cannot be written.
pub const SEALED: u32 = 1;
/// `ControlBlock::sealed`: was sealed, and has been opened.
pub const OPENED: u32 = 2;

/// After so many restorations in a row whose pages did not fit, a memory is not sealed any more.
const MISFITS: u32 = 8;

const PAGE: usize = PAGE_SIZE as usize;

fn offset_in_region(region: &Region, block: &ControlBlock) -> usize {
    (u64::from(block.slot.get()) * region.layout.stride + region.layout.memory) as usize
}

pub(super) fn page_count(bytes: u64) -> u32 {
    (bytes / PAGE_SIZE) as u32
}

/// Makes a slot's memory that of a fresh instance, unless it is already: the slot's last instance was of the same module.
pub fn occupy(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> Result<()> {
    if block.tenant.get() == initial.id {
        return Ok(());
    }
    block.tenant.set(0);
    let at = offset_in_region(region, block);
    let before = block.accessible.load(Ordering::Relaxed) as usize;
    // What lies there is the last tenant's, perhaps with pages of its file: a new mapping has nothing of it.
    region
        .slots()
        .renew(at, before.max(block.file_bytes.get()))?;
    block.accessible.store(0, Ordering::Relaxed);
    block.sealed.store(PLAIN, Ordering::Relaxed);
    block.file_bytes.set(0);
    if let Some((file, length)) = initial.file() {
        region.slots().map_private(at, length, file)?;
        block.file_bytes.set(length);
    }
    slot::resize_memory(region, block, initial.bytes)?;
    block.sealed_bytes.store(initial.bytes, Ordering::Relaxed);
    block.hot.set(HotSet::EMPTY);
    block.misfits.set(0);
    block.sampling.set(Sampling::NONE);
    block.tenant.set(initial.id);
    Ok(())
}

/// Makes the memory of an instance that has ended what a fresh one must find.
///
/// # Safety
///
/// The instance does not run, and nobody looks at its memory.
pub unsafe fn restore(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
) -> Result<()> {
    // SAFETY: the caller's promise, here and below.
    unsafe { shrink(region, block, initial.bytes) }?;
    if initial.bytes == 0 {
        return Ok(());
    }
    if block.sealed.load(Ordering::Acquire) == SEALED {
        // SAFETY: the caller's promise.
        return unsafe { probe::restore_hot(region, block, initial) };
    }
    let hot = learn(region, block, initial);
    // SAFETY: the whole memory can be written.
    unsafe { refresh(region, block, initial, &hot) }?;
    let seals = block.misfits.get() < MISFITS && region.config.keep_resident_bytes > 0;
    if seals {
        seal(region, block, initial, hot)?;
    }
    Ok(())
}

/// Gives ranges of the memory back to the kernel: they hold what a fresh memory holds. False: it refuses some of them.
pub(super) fn give_back(region: &Region, block: &ControlBlock, ranges: &[Pages]) -> Result<bool> {
    let at = offset_in_region(region, block);
    let mut all = true;
    for range in ranges {
        all &= region.slots().give_back(
            at + range.first as usize * PAGE,
            range.count as usize * PAGE,
        )?;
    }
    Ok(all)
}

/// Seals a sealed memory anew, with fewer hot pages.
///
/// # Safety
///
/// As [`restore`].
pub(super) unsafe fn reseal(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    hot: HotSet,
) -> Result<()> {
    let at = offset_in_region(region, block);
    region
        .slots()
        .protect(at, initial.bytes as usize, Access::ReadWrite)?;
    block.sealed.store(OPENED, Ordering::Release);
    initial.set_hot(hot);
    // SAFETY: the caller's promise; the whole memory can be written.
    unsafe { refresh(region, block, initial, &hot) }?;
    seal(region, block, initial, hot)
}

/// # Safety
///
/// The ranges can be written, and nobody looks at them.
pub(super) unsafe fn copy(block: &ControlBlock, initial: &InitialMemory, ranges: &[Pages]) {
    for range in ranges {
        let (offset, length) = (range.first as usize * PAGE, range.count as usize * PAGE);
        // SAFETY: the caller's promise; ranges lie within the memory.
        unsafe { initial.restore(block.memory_low.get(), offset, length) };
    }
}

/// Takes grown pages back.
///
/// # Safety
///
/// As [`restore`].
unsafe fn shrink(region: &Region, block: &ControlBlock, bytes: u64) -> Result<()> {
    let now = block.accessible.load(Ordering::Relaxed);
    if now <= bytes {
        return Ok(());
    }
    let at = offset_in_region(region, block) + bytes as usize;
    // SAFETY: the caller's promise; grown pages can be written.
    unsafe { region.slots().discard(at, (now - bytes) as usize) }?;
    slot::resize_memory(region, block, bytes)
}

/// The pages to keep: those known, and those that were written this time, if they are few enough.
fn learn(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> HotSet {
    let known = block.hot.get().union(&initial.hot());
    let most = region.config.keep_resident_bytes / PAGE_SIZE;
    let fits = |hot: &HotSet| hot.pages() <= most;
    let asked = (block.misfits.get() < MISFITS && most > 0)
        .then(|| pagemap::written(block.memory_low.get(), page_count(initial.bytes)));
    // All that is known, or, where that is too much, what this guest has written.
    let written = asked.flatten();
    let wanted = written
        .map(|written| written.union(&known))
        .filter(fits)
        .or(written.filter(fits));
    match wanted {
        Some(hot) => {
            block.misfits.set(0);
            initial.set_hot(hot);
            hot
        }
        None => {
            block.misfits.set(block.misfits.get().saturating_add(1));
            if fits(&known) { known } else { HotSet::EMPTY }
        }
    }
}

/// Restores an opened memory: hot pages by copying, the rest by giving it back.
///
/// # Safety
///
/// As [`restore`], and the whole memory can be written.
unsafe fn refresh(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    hot: &HotSet,
) -> Result<()> {
    let at = offset_in_region(region, block);
    for gap in hot.gaps(page_count(initial.bytes)) {
        let (offset, length) = (gap.first as usize * PAGE, gap.count as usize * PAGE);
        if !region.slots().give_back(at + offset, length)? {
            // The process locks its memory.
            // SAFETY: the caller's promise.
            unsafe { copy(block, initial, &[gap]) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { copy(block, initial, hot.ranges()) };
    Ok(())
}

/// Makes all but the hot pages read-only. A kernel that has no room for more mappings leaves the memory opened.
fn seal(region: &Region, block: &ControlBlock, initial: &InitialMemory, hot: HotSet) -> Result<()> {
    let at = offset_in_region(region, block);
    block.hot.set(hot);
    let protected = hot.gaps(page_count(initial.bytes)).try_for_each(|gap| {
        region.slots().protect(
            at + gap.first as usize * PAGE,
            gap.count as usize * PAGE,
            Access::Read,
        )
    });
    if protected.is_err() {
        region
            .slots()
            .protect(at, initial.bytes as usize, Access::ReadWrite)?;
        block.sealed.store(PLAIN, Ordering::Release);
        return Ok(());
    }
    block.sealed.store(SEALED, Ordering::Release);
    Ok(())
}

/// Opens a sealed memory, if this is an address in one that has been sealed. Answers whether a write to it should be tried again.
/// Async-signal-safe.
pub fn open(block: &ControlBlock, address: usize) -> bool {
    let (low, bytes) = (
        block.memory_low.get(),
        block.sealed_bytes.load(Ordering::Acquire) as usize,
    );
    if block.sealed.load(Ordering::Acquire) == PLAIN || !(low..low + bytes).contains(&address) {
        return false;
    }
    // SAFETY: the range is the slot's memory, which is accessible up to there.
    let opened = unsafe { mapping::protect_now(low, bytes, Access::ReadWrite) };
    if opened {
        block.sealed.store(OPENED, Ordering::Release);
    }
    opened
}

/// Makes sure that the host and the kernel can write to a range of the memory.
pub fn make_writable(block: &ControlBlock, offset: u64, length: u64) -> bool {
    if length == 0 || block.sealed.load(Ordering::Acquire) != SEALED {
        return true;
    }
    let first = (offset / PAGE_SIZE) as u32;
    let end = (offset + length).div_ceil(PAGE_SIZE) as u32;
    let behind = offset >= block.sealed_bytes.load(Ordering::Relaxed);
    behind
        || block.hot.get().contains(Pages {
            first,
            count: end - first,
        })
        || open(block, block.memory_low.get() + offset as usize)
}
