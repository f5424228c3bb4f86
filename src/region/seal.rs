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
//! * a slot whose memory could not be restored has tenant 0: no instance is made in it before all of it has been replaced;
//! * [`open`] is async-signal-safe, and may run on any thread.
//!
//! A memory whose guests write too many pages, or never the same ones, stays opened: it is restored by the kernel.
//!
//! In compact regions no memory has mappings of its own, so none is sealed or mapped from a file: what guests are known to write
//! is restored by copying, everything else is given back, and the module's data are copied. Learning what they write is a system
//! call for each reset there, so it is done now and then.

use super::{Region, budget, pagemap, probe, slot, stack};
use crate::control::sealing::{OPENED, PLAIN, SEALED};
use crate::control::{ControlBlock, state};
use crate::error::Result;
use crate::hot::{HotSet, Pages, Sampling};
use crate::mapping::{self, Access};
use crate::module::InitialMemory;
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// After so many restorations in a row whose pages did not fit, a memory is not sealed any more.
const MISFITS: u32 = 8;

/// Pages that the host wants to write are hot up to so many, whether it writes or not: copying these costs less than to open.
const MOST_WANTED: u64 = 16;

/// Resets of a module's instances after which compact regions ask what was written: so many at first, then one in so many.
const ASKED_FIRST: u32 = 8;
const ASKED_AGAIN: u32 = 256;

const PAGE: usize = PAGE_SIZE as usize;

fn offset_in_region(region: &Region, block: &ControlBlock) -> usize {
    (region.layout.start(block.slot.get()) + region.layout.memory) as usize
}

pub(super) fn page_count(bytes: u64) -> u32 {
    (bytes / PAGE_SIZE) as u32
}

/// Makes a slot's memory that of a fresh instance, unless it is already: the slot's last instance was of the same module.
pub fn occupy(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> Result<()> {
    if block.tenant.load(Ordering::Relaxed) == initial.id {
        return Ok(());
    }
    vacate(region, block)?;
    if region.is_compact() {
        // SAFETY: the slot has no instance, and its memory can be written.
        unsafe { initial.restore_data(block.memory_low.get(), 0, initial.bytes as usize) };
    } else if let Some((file, length)) = initial.file() {
        // Noted first: also what was mapped by half is to be replaced the next time.
        block.file_bytes.set(length);
        let at = offset_in_region(region, block);
        region.slots().map_private(at, length, file)?;
    }
    slot::resize_memory(region, block, initial.bytes)?;
    block.sealed_bytes.store(initial.bytes, Ordering::Relaxed);
    block.tenant.store(initial.id, Ordering::Relaxed);
    Ok(())
}

/// Makes a slot's memory nobody's: new address space, which has nothing of the last tenant's, nor of its file; in compact regions
/// zeros.
///
/// # Errors
///
/// `NoMemory`, `System`: whatever is there stays, and nobody gets the slot before this has succeeded.
pub fn vacate(region: &Region, block: &ControlBlock) -> Result<()> {
    block.tenant.store(0, Ordering::Relaxed);
    block.sealed.store(PLAIN, Ordering::Release);
    let at = offset_in_region(region, block);
    let before = block.accessible.load(Ordering::Relaxed) as usize;
    if region.is_compact() {
        // SAFETY: nobody has the slot's memory any more, which can be written.
        unsafe { region.slots().discard(at, before) }?;
    } else {
        region
            .slots()
            .renew(at, before.max(block.file_bytes.get()))?;
    }
    block.accessible.store(0, Ordering::Relaxed);
    block.sealed_bytes.store(0, Ordering::Relaxed);
    block.file_bytes.set(0);
    block.hot.set(HotSet::EMPTY);
    block.misfits.set(0);
    block.wanted.set(Pages::default());
    block.sampling.set(Sampling::NONE);
    Ok(())
}

/// Makes the memory of an instance that has ended what a fresh one must find. `elsewhere` is what the slot keeps besides memory. Answers
/// whether that was fast: copying alone.
///
/// # Errors
///
/// `NoMemory`, `System`: the memory is no instance's until [`vacate`] has succeeded.
///
/// # Safety
///
/// The instance does not run, and nobody looks at its memory.
pub unsafe fn restore(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    elsewhere: u64,
) -> Result<bool> {
    if block.tenant.load(Ordering::Relaxed) == 0 {
        // An earlier attempt has failed: the next instance gets another memory.
        return Ok(false);
    }
    // SAFETY: the caller's promise.
    let done = unsafe { restore_tenant(region, block, initial, elsewhere) };
    if done.is_err() {
        disown(block);
    }
    done
}

/// Says that nobody can have what lies in a slot's memory.
pub fn disown(block: &ControlBlock) {
    block.tenant.store(0, Ordering::Relaxed);
}

/// # Safety
///
/// As [`restore`].
unsafe fn restore_tenant(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    elsewhere: u64,
) -> Result<bool> {
    // SAFETY: the caller's promise, here and below.
    let shrunk = unsafe { shrink(region, block, initial.bytes) }?;
    let sealed = block.sealed.load(Ordering::Acquire) == SEALED;
    let hot = match sealed || initial.bytes == 0 {
        true => block.hot.get(),
        false => learn(region, block, initial),
    };
    let keeps = budget::keep(region, block, hot.pages() * PAGE_SIZE + elsewhere);
    if !keeps {
        // SAFETY: the caller's promise.
        unsafe { stack::give_up(region, block) }?;
    }
    if initial.bytes == 0 {
        return Ok(!shrunk);
    }
    if sealed && keeps {
        // SAFETY: the caller's promise.
        unsafe { probe::restore_hot(region, block, initial) }?;
        return Ok(!shrunk);
    }
    if sealed {
        // SAFETY: the caller's promise; hot pages can be written.
        unsafe { renounce(region, block, initial, hot.ranges()) }?;
        return Ok(false);
    }
    // SAFETY: the whole memory can be written.
    unsafe { refresh(region, block, initial, &hot, keeps) }?;
    let seals = block.misfits.get() < MISFITS && region.config.keep_resident_bytes > 0;
    if seals && !region.is_compact() {
        seal(region, block, initial, hot)?;
    }
    Ok(false)
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
    unsafe { refresh(region, block, initial, &hot, true) }?;
    seal(region, block, initial, hot)
}

/// Restores ranges, and gets every page of them into memory.
///
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

/// Restores ranges that have been in memory since they were last restored, as a rule: one that has not need not be afterwards.
///
/// # Safety
///
/// As [`copy`].
pub(super) unsafe fn copy_resident(
    block: &ControlBlock,
    initial: &InitialMemory,
    ranges: &[Pages],
) {
    for range in ranges {
        let (offset, length) = (range.first as usize * PAGE, range.count as usize * PAGE);
        // SAFETY: the caller's promise; ranges lie within the memory.
        unsafe { initial.restore_resident(block.memory_low.get(), offset, length) };
    }
}

/// Takes grown pages back. False: there are none.
///
/// # Safety
///
/// As [`restore`].
unsafe fn shrink(region: &Region, block: &ControlBlock, bytes: u64) -> Result<bool> {
    let now = block.accessible.load(Ordering::Relaxed);
    if now <= bytes {
        return Ok(false);
    }
    let at = offset_in_region(region, block) + bytes as usize;
    // SAFETY: the caller's promise; grown pages can be written.
    unsafe { region.slots().discard(at, (now - bytes) as usize) }?;
    slot::resize_memory(region, block, bytes)?;
    Ok(true)
}

/// The pages to keep: those known, and those that were written this time, if they are few enough.
fn learn(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> HotSet {
    let most = region.config.keep_resident_bytes / PAGE_SIZE;
    let fits = |hot: &HotSet| hot.pages() <= most;
    let known = block.hot.get().union(&initial.hot());
    let wanted = HotSet::of(block.wanted.take());
    let known = Some(known.union(&wanted))
        .filter(|all| wanted.pages() <= MOST_WANTED && fits(all))
        .unwrap_or(known);
    let asks = !region.is_compact() || initial.counts_to(ASKED_FIRST, ASKED_AGAIN);
    let asked = (asks && block.misfits.get() < MISFITS && most > 0)
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
            if asks {
                block.misfits.set(block.misfits.get().saturating_add(1));
            }
            if fits(&known) { known } else { HotSet::EMPTY }
        }
    }
}

/// Restores an opened memory: hot pages by copying if the slot `keeps` them, the rest by giving it back.
///
/// # Safety
///
/// As [`restore`], and the whole memory can be written.
unsafe fn refresh(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    hot: &HotSet,
    keeps: bool,
) -> Result<()> {
    let kept = if keeps { *hot } else { HotSet::EMPTY };
    for gap in kept.gaps(page_count(initial.bytes)) {
        // SAFETY: the caller's promise.
        unsafe { renounce(region, block, initial, &[gap]) }?;
    }
    // SAFETY: the caller's promise.
    unsafe { copy(block, initial, kept.ranges()) };
    Ok(())
}

/// Restores ranges by giving them back, or by copying where the process locks its memory.
///
/// # Safety
///
/// As [`restore`], and the ranges can be written.
unsafe fn renounce(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
    ranges: &[Pages],
) -> Result<()> {
    if !give_back(region, block, ranges)? {
        // SAFETY: the caller's promise.
        unsafe { copy(block, initial, ranges) };
    } else if region.is_compact() {
        // What was given back is zero, and no file is mapped there.
        for range in ranges {
            let (offset, length) = (range.first as usize * PAGE, range.count as usize * PAGE);
            // SAFETY: the caller's promise; ranges lie within the memory.
            unsafe { initial.restore_data(block.memory_low.get(), offset, length) };
        }
    }
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

/// What [`open`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The address is in no memory that is sealed, or in one that is nobody's: a pointer has outlived its instance.
    NotSealed,
    /// Everything can be written now: what failed should be tried again.
    Done,
    /// The kernel does not allow it.
    Refused,
}

/// Opens a sealed memory, if this is an address in one that has been sealed. Async-signal-safe.
pub fn open(block: &ControlBlock, address: usize) -> Opening {
    let (low, bytes) = (
        block.memory_low.get(),
        block.sealed_bytes.load(Ordering::Acquire) as usize,
    );
    let sealed = block.sealed.load(Ordering::Acquire) != PLAIN && block.state() != state::FREE;
    if !sealed || !(low..low + bytes).contains(&address) {
        return Opening::NotSealed;
    }
    // SAFETY: the range is the slot's memory, which is accessible up to there.
    if !unsafe { mapping::protect_now(low, bytes, Access::ReadWrite) } {
        return Opening::Refused;
    }
    if block.sealed.swap(OPENED, Ordering::AcqRel) == SEALED {
        block.opened.fetch_add(1, Ordering::Relaxed);
    }
    Opening::Done
}

/// Makes sure that the host and the kernel can write to a range of the memory.
pub fn make_writable(block: &ControlBlock, offset: u64, length: u64) -> bool {
    if length == 0 || block.sealed.load(Ordering::Acquire) != SEALED {
        return true;
    }
    let first = (offset / PAGE_SIZE) as u32;
    let end = (offset + length).div_ceil(PAGE_SIZE) as u32;
    let wanted = Pages {
        first,
        count: end - first,
    };
    let sealed = block.sealed_bytes.load(Ordering::Relaxed);
    if offset >= sealed || block.hot.get().contains(wanted) {
        return true;
    }
    block.wanted.set(Pages {
        first,
        count: end.min(page_count(sealed)) - first,
    });
    open(block, block.memory_low.get() + offset as usize) == Opening::Done
}

/// A range around an address, which can be written, that can be written as well: until the instance is reset or released. The memory
/// has so many bytes.
pub fn writable_around(block: &ControlBlock, offset: u64, bytes: u64) -> (u64, u64) {
    if block.sealed.load(Ordering::Acquire) != SEALED {
        return (0, bytes);
    }
    let sealed = block.sealed_bytes.load(Ordering::Relaxed);
    if offset >= sealed {
        return (sealed, bytes);
    }
    let page = (offset / PAGE_SIZE) as u32;
    let hot = block.hot.get();
    let around = hot
        .ranges()
        .iter()
        .find(|range| (range.first..range.end()).contains(&page));
    around.map_or((0, 0), |range| {
        (
            u64::from(range.first) * PAGE_SIZE,
            u64::from(range.end()) * PAGE_SIZE,
        )
    })
}

/// Seals the memory of an idle slot that nobody has used yet, if it is known what guests will write, and makes that resident.
///
/// # Safety
///
/// The slot has no instance, and nobody looks at its memory, which is that of a fresh instance.
pub(super) unsafe fn warm(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
) -> Result<()> {
    let hot = expected(region, block, initial);
    let sealable = block.sealed.load(Ordering::Acquire) == PLAIN && !region.is_compact();
    if sealable && hot.pages() > 0 {
        seal(region, block, initial, hot)?;
    }
    // SAFETY: the caller's promise; hot pages can be written.
    unsafe { copy(block, initial, hot.ranges()) };
    Ok(())
}

/// The pages that guests of a module are likely to write in a slot.
pub(super) fn expected(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> HotSet {
    let own = block.tenant.load(Ordering::Relaxed) == initial.id
        && block.sealed.load(Ordering::Acquire) == SEALED;
    let hot = if own { block.hot.get() } else { initial.hot() };
    if hot.pages() * PAGE_SIZE <= region.config.keep_resident_bytes {
        hot
    } else {
        HotSet::EMPTY
    }
}
