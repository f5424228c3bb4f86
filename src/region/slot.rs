//! The memory of one slot: making it accessible, and making it clean.
//!
//! Invariants: pages of memory at and beyond `accessible` are inaccessible and read as zero when made accessible; after
//! [`clean`] every byte of state and used tables is zero, after [`clear_further`] every byte of a further memory.
//! What memory 0 holds below `accessible` is [`super::seal`]'s concern, what is on the stack [`super::stack`]'s.

use super::Region;
use super::stack::{self, Left};
use crate::control::{ControlBlock, sealing};
use crate::error::Result;
use crate::mapping::Access;
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// Further memories up to this size are cleared by writing to them, larger ones by giving them back.
const WRITTEN: u64 = 16 << 10;
/// Says of a control block that its slot is untouched address space.
pub fn forget(block: &ControlBlock) {
    block.prepared.store(false, Ordering::Relaxed);
    block.deferred.store(0, Ordering::Relaxed);
    block.opened.store(0, Ordering::Relaxed);
    block.created.store(0, Ordering::Relaxed);
    block.resets.store(0, Ordering::Relaxed);
    block.released.store(0, Ordering::Relaxed);
    block.accessible.store(0, Ordering::Relaxed);
    block.guard_lent.store(false, Ordering::Relaxed);
    stack::forget(block);
    block.tenant.store(0, Ordering::Relaxed);
    block.file_bytes.set(0);
    block.sealed.store(sealing::PLAIN, Ordering::Relaxed);
    block.sealed_bytes.store(0, Ordering::Relaxed);
    block.kept.store(0, Ordering::Relaxed);
}

/// Makes stack, tables and state accessible, once in a slot's life, and tells the control block where they are.
pub fn prepare(region: &Region, block: &ControlBlock) -> Result<()> {
    let layout = &region.layout;
    let start = layout.start(block.slot.get());
    let base = region.slots().base() + start as usize;
    if !block.prepared.load(Ordering::Relaxed) {
        if !layout.sizes.compact {
            let from = start + layout.stack;
            let length = layout.memory - layout.stack;
            region
                .slots()
                .protect(from as usize, length as usize, Access::ReadWrite)?;
        }
        block.accessible.store(0, Ordering::Relaxed);
        block.prepared.store(true, Ordering::Relaxed);
    }
    // Where the kernel refused it to the last instance.
    // SAFETY: the slot has no instance.
    unsafe { super::lend::take_back(region, block) }?;
    block.stack_guard.set(base);
    block.stack_low.set(base + layout.stack as usize);
    block.stack_high.set(base + layout.further as usize);
    block.vmctx.set(base + layout.memory as usize);
    block.memory_low.set(base + layout.memory as usize);
    block.memory_high.set(base + layout.end as usize);
    block.trap_address.set(trap_address(region, block));
    block.entry_sp.set(base + layout.further as usize);
    block.entry_frame.set(0);
    Ok(())
}

/// Address of the first table element of a slot.
pub fn tables(region: &Region, block: &ControlBlock) -> usize {
    block.vmctx.get() - (region.layout.memory - region.layout.tables) as usize
}

/// Address of a slot's further memory: number 0 is the one behind the stack.
pub fn further(region: &Region, block: &ControlBlock, number: u32) -> usize {
    let offset = region.layout.further + u64::from(number) * region.layout.sizes.memory;
    block.vmctx.get() - (region.layout.memory - offset) as usize
}

/// The address that failed checks lead to: the guard behind memory 0, or the region's trap zone.
pub fn trap_address(region: &Region, block: &ControlBlock) -> usize {
    if region.layout.sizes.compact {
        return region.slots().base();
    }
    block.vmctx.get() + region.layout.reservation as usize
}

/// Leaves nothing in a further memory, of which an instance may have written the first `bytes` bytes.
///
/// # Safety
///
/// The instance does not run, and nobody holds a reference into its memory.
pub unsafe fn clear_further(
    region: &Region,
    block: &ControlBlock,
    number: u32,
    bytes: u64,
) -> Result<()> {
    let bytes = bytes
        .min(region.layout.sizes.memory)
        .next_multiple_of(PAGE_SIZE);
    let at = further(region, block, number);
    if bytes <= WRITTEN {
        // SAFETY: the caller's promise; further memories are accessible since `prepare`.
        unsafe { std::ptr::write_bytes(at as *mut u8, 0, bytes as usize) };
        return Ok(());
    }
    // SAFETY: as above.
    unsafe {
        region
            .slots()
            .discard(at - region.slots().base(), bytes as usize)
    }
}

/// Makes linear memory 0 exactly `bytes` long (whole pages).
///
/// Pages that are given up must have been cleaned.
pub fn resize_memory(region: &Region, block: &ControlBlock, bytes: u64) -> Result<()> {
    let start = region.layout.start(block.slot.get()) + region.layout.memory;
    let now = block.accessible.load(Ordering::Relaxed);
    if region.layout.sizes.compact {
        // All of it can be read and written, and what is behind the memory's length is out of reach.
    } else if bytes > now {
        region.slots().protect(
            (start + now) as usize,
            (bytes - now) as usize,
            Access::ReadWrite,
        )?;
    } else if bytes < now {
        region.slots().protect(
            (start + bytes) as usize,
            (now - bytes) as usize,
            Access::None,
        )?;
    }
    block.accessible.store(bytes, Ordering::Relaxed);
    Ok(())
}

/// Leaves nothing of an instance in its stack, state and tables. `state_bytes` and `table_bytes` are what it may have used.
/// Answers how many bytes of the three stay in memory at most.
///
/// # Safety
///
/// The instance does not run, and nobody holds a reference into its memory.
pub unsafe fn clean(
    region: &Region,
    block: &ControlBlock,
    state_bytes: u32,
    table_bytes: usize,
    left: Left,
) -> Result<u64> {
    let state = block.vmctx.get() - state_bytes as usize;
    // SAFETY: the state and the tables are accessible since `prepare`, and end at vmctx and where the state begins.
    unsafe { std::ptr::write_bytes(state as *mut u8, 0, state_bytes as usize) };
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(tables(region, block) as *mut u8, 0, table_bytes) };
    // SAFETY: the caller's promise.
    unsafe { super::lend::take_back(region, block) }?;
    // SAFETY: the caller's promise.
    let kept_stack = unsafe { stack::clean(region, block, left) }?;
    Ok(kept_stack + used_bytes(state_bytes, table_bytes))
}

/// Bytes of the pages that state and tables of these sizes use.
pub(super) fn used_bytes(state_bytes: u32, table_bytes: usize) -> u64 {
    u64::from(state_bytes).next_multiple_of(PAGE_SIZE)
        + (table_bytes as u64).next_multiple_of(PAGE_SIZE)
}

const _: () = assert!(lucet_format::WASM_PAGE_SIZE.is_multiple_of(PAGE_SIZE));
