//! Comparing a slot's memory with what it should be: regions with `LUCET_REGION_VERIFY`.
//!
//! Bytes are compared with the module's data, and with zeros up to the most that the memory can grow to; the rest is asked of
//! the kernel: what may be done with each page, and whose it is. Nothing is changed, and nothing of this is fast.

use super::{Region, maps, pagemap};
use crate::control::{ControlBlock, sealing};
use crate::error::{Error, Result, Status, error};
use crate::mapping::Access;
use crate::module::InitialMemory;
use lucet_format::PAGE_SIZE;
use maps::Area;
use std::sync::atomic::Ordering;

/// Says what is wrong, to the log and the caller.
#[cold]
pub fn difference(region: &Region, block: &ControlBlock, what: std::fmt::Arguments<'_>) -> Error {
    let slot = block.slot.get();
    region.log(0, format_args!("slot {slot} is not clean: {what}"));
    error!(Status::Poisoned, "slot {slot} is not clean: {what}")
}

/// That an area of a slot is zero. `what` names it.
///
/// # Errors
///
/// `Poisoned`.
///
/// # Safety
///
/// The area can be read, and nobody writes to it.
pub unsafe fn zeros(
    region: &Region,
    block: &ControlBlock,
    at: usize,
    length: usize,
    what: &str,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, length) };
    match bytes.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(offset) => Err(difference(
            region,
            block,
            format_args!("{what} is not zero at {offset:#x}"),
        )),
    }
}

/// That a part of a slot which can be read is zero, as far as it is in memory at all.
///
/// # Errors
///
/// `Poisoned`; `System` when the kernel does not say.
///
/// # Safety
///
/// As [`zeros`].
pub unsafe fn untouched(
    region: &Region,
    block: &ControlBlock,
    from: usize,
    end: usize,
) -> Result<()> {
    let page = PAGE_SIZE as usize;
    let (first, last) = (from / page, end.div_ceil(page));
    let mut result = Ok(());
    let asked = pagemap::visit(first * page, (last - first) as u32, |number| {
        let start = ((first + number as usize) * page).max(from);
        let length = ((first + number as usize + 1) * page).min(end) - start;
        // SAFETY: the caller's promise.
        let clean = unsafe { zeros(region, block, start, length, "a further memory") };
        result = result.and(clean);
    });
    asked.ok_or_else(|| Error::system("reading /proc/self/pagemap"))?;
    result
}

/// That the memory of a slot is that of a fresh instance.
///
/// # Errors
///
/// `Poisoned`; `System`, `NoMemory` when the kernel does not say.
///
/// # Safety
///
/// No guest runs in the slot, and nobody writes to its memory.
pub unsafe fn memory(region: &Region, block: &ControlBlock, initial: &InitialMemory) -> Result<()> {
    let accessible = block.accessible.load(Ordering::Relaxed);
    if accessible != initial.bytes {
        let wanted = initial.bytes;
        return Err(difference(
            region,
            block,
            format_args!("{accessible} bytes of memory are accessible instead of {wanted}"),
        ));
    }
    areas(region, block)?;
    // SAFETY: the caller's promise; the memory is accessible.
    if let Some(at) = unsafe { initial.difference(block.memory_low.get()) } {
        return Err(difference(
            region,
            block,
            format_args!("memory at {at:#x} is not what it is at first"),
        ));
    }
    // SAFETY: the caller's promise.
    unsafe { behind(region, block, accessible) }
}

/// That memory behind what is accessible has nothing for those who grow into it.
///
/// # Safety
///
/// As [`memory`].
unsafe fn behind(region: &Region, block: &ControlBlock, accessible: u64) -> Result<()> {
    let most = region.layout.sizes.memory;
    let pages = (most.saturating_sub(accessible) / PAGE_SIZE) as u32;
    let start = block.memory_low.get() + accessible as usize;
    if region.is_compact() {
        let end = start + pages as usize * PAGE_SIZE as usize;
        // SAFETY: the caller's promise; all of the slot can be read.
        return unsafe { untouched(region, block, start, end) };
    }
    if pages == 0 || pagemap::count_written(start, pages) == Some(0) {
        return Ok(());
    }
    // Pages are still there, in a process that locks its memory: they must be zero.
    let offset = start - region.slots().base();
    let length = (most - accessible) as usize;
    region.slots().protect(offset, length, Access::Read)?;
    // SAFETY: the pages can be read by now.
    let clean = unsafe {
        zeros(
            region,
            block,
            start,
            length,
            "memory that can be grown into",
        )
    };
    region.slots().protect(offset, length, Access::None)?;
    clean
}

/// That the slot's pages allow what they should, and are the module's file's and the slot's own.
fn areas(region: &Region, block: &ControlBlock) -> Result<()> {
    if region.is_compact() {
        return Ok(());
    }
    let (first, end) = (
        block.stack_guard.get(),
        block.stack_guard.get() + region.layout.stride as usize,
    );
    let mut covered = 0;
    let mut wrong = None;
    maps::visit(|area| {
        let part = Area {
            start: area.start.max(first),
            end: area.end.min(end),
            ..area
        };
        if part.start < part.end {
            covered += part.end - part.start;
            wrong = wrong.or_else(|| first_wrong(region, block, &part));
        }
    })?;
    if let Some((at, wanted)) = wrong {
        let offset = at - first;
        return Err(difference(
            region,
            block,
            format_args!("pages at {offset:#x} of the slot are not {wanted:?}, or another file's"),
        ));
    }
    if covered != end - first {
        return Err(difference(
            region,
            block,
            format_args!("{covered:#x} bytes of the slot are mapped"),
        ));
    }
    Ok(())
}

/// The first address in a mapping at which it should be another one.
fn first_wrong(region: &Region, block: &ControlBlock, area: &Area) -> Option<(usize, Access)> {
    let mut at = area.start;
    while at < area.end {
        let (wanted, is_file, until) = wanted(region, block, at);
        if area.access != Some(wanted) || area.is_file != is_file {
            return Some((at, wanted));
        }
        at = until;
    }
    None
}

/// What an address of the slot should be: what it allows, whether it is a file's, and how far that goes.
fn wanted(region: &Region, block: &ControlBlock, at: usize) -> (Access, bool, usize) {
    let (low, bytes) = (
        block.memory_low.get(),
        block.accessible.load(Ordering::Relaxed) as usize,
    );
    if at < block.stack_low.get() {
        return (Access::None, false, block.stack_low.get());
    }
    if at < low {
        return (Access::ReadWrite, false, low);
    }
    if at >= low + bytes {
        let end = block.stack_guard.get() + region.layout.stride as usize;
        return (Access::None, false, end);
    }
    let file_end = low + block.file_bytes.get();
    let is_file = at < file_end;
    let mut until = if is_file { file_end } else { low + bytes };
    let mut access = Access::ReadWrite;
    if block.sealed.load(Ordering::Acquire) == sealing::SEALED {
        access = Access::Read;
        for range in block.hot.get().ranges() {
            let start = low + range.first as usize * PAGE_SIZE as usize;
            let end = start + range.count as usize * PAGE_SIZE as usize;
            if (start..end).contains(&at) {
                (access, until) = (Access::ReadWrite, until.min(end));
            } else if start > at {
                until = until.min(start);
            }
        }
    }
    (access, is_file, until)
}
