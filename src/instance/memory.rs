//! An instance's linear memories, as the host uses them: checked views, copies, growth.
//!
//! A memory 0 that the module defines is at vmctx. Imported ones are their owner's, who also says how far they grow. Where the others are follows from the slot; their lengths are in descriptors beside the guest's memory,
//! and count for no more than the slot has room for.

use super::{
    Handle, Inner, Limits, Live, live, publish_memory_bytes, read_state, settled, write_state,
};
use crate::control::ControlBlock;
use crate::error::{Error, Result, Status, error};
use crate::module::{Home, MemoryTemplate};
use crate::region::{seal, slot};
use lucet_format::PAGE_SIZE;
use lucet_format::vmctx::{self, MEMORY_LENGTH};
use std::sync::atomic::Ordering;

/// A memory at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Linear {
    /// Whose it is.
    pub block: &'static ControlBlock,
    /// The address of its first byte.
    pub base: usize,
    /// Its length.
    pub bytes: u64,
}

impl Linear {
    /// The memory with this index; `None`: there is none.
    pub fn of(block: &'static ControlBlock, inner: &Inner, index: u32) -> Option<Linear> {
        let memory = inner.link().ok()?.memories.get(index as usize)?;
        let base = match memory.home {
            Home::First => block.vmctx.get(),
            Home::Further(number) => slot::further(&inner.region, block, number),
            Home::Imported => {
                let (block, inner, index) = owner(inner, index)?;
                return Linear::of(block, inner, index);
            }
        };
        let bytes = used_bytes(block, inner, memory);
        Some(Linear { block, base, bytes })
    }

    /// Makes a checked range writable for the host and the kernel. False: the kernel refuses. Further memories are never sealed.
    pub fn open(&self, address: u64, length: u64) -> bool {
        let first = self.base == self.block.vmctx.get();
        !first || seal::make_writable(self.block, address, length)
    }

    /// The address of a range; `None`: out of bounds.
    pub fn range(&self, from: u64, length: u64) -> Option<usize> {
        let end = from.checked_add(length)?;
        (end <= self.bytes).then(|| self.base + from as usize)
    }
}

/// The instance whose memory an imported one is, and the memory's index there.
fn owner(inner: &Inner, index: u32) -> Option<(&'static ControlBlock, &'static Inner, u32)> {
    let owner = *inner.link().ok()?.shared.memories.get(index as usize)?;
    let owners = Live { block: owner.block }.inner().ok()?;
    Some((owner.block, owners, owner.index))
}

/// Bytes of a memory of the instance's own that it may have written.
pub(super) fn used_bytes(block: &ControlBlock, inner: &Inner, memory: &MemoryTemplate) -> u64 {
    match memory.home {
        Home::First => inner.memory_bytes.get(),
        Home::Imported => 0,
        Home::Further(_) => {
            // SAFETY: parsing has checked that descriptors lie within the state.
            let bytes = unsafe { read_state(block, memory.state_offset - MEMORY_LENGTH) };
            bytes.min(inner.region.config.memory_bytes)
        }
    }
}

/// Bytes of all memories together.
pub(super) fn total_bytes(block: &ControlBlock, inner: &Inner) -> u64 {
    let memories = inner.link().map_or(&[][..], |link| &link.memories);
    let bytes = memories
        .iter()
        .map(|memory| used_bytes(block, inner, memory));
    bytes.fold(0, u64::saturating_add)
}

/// Address and length of a memory.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn memory(handle: Handle, index: u32) -> Result<(usize, usize)> {
    let (block, inner) = live(handle)?;
    let memory = find(block, inner, index)?;
    inner.views.settle();
    Ok((memory.base, memory.bytes as usize))
}

/// Where memory 0 of a calling instance begins, and its bytes. Without one: nothing.
pub(crate) fn zero(block: &'static ControlBlock) -> (*mut u8, u64) {
    if block.imports_memory.get() {
        return imported_zero(block).map_or((std::ptr::null_mut(), 0), |memory| {
            (memory.base as *mut u8, memory.bytes)
        });
    }
    // SAFETY: the fixed header is part of every state.
    let bytes = unsafe { read_state(block, vmctx::MEMORY_BYTES) };
    (block.vmctx.get() as *mut u8, bytes)
}

#[cold]
fn imported_zero(block: &'static ControlBlock) -> Option<Linear> {
    Linear::of(block, Live { block }.inner().ok()?, 0)
}

/// Makes a checked range of memory 0 writable for the host and the kernel. False: the kernel refuses.
pub(crate) fn open(block: &'static ControlBlock, address: u64, length: u64) -> bool {
    if block.imports_memory.get() {
        return imported_zero(block).is_some_and(|memory| memory.open(address, length));
    }
    seal::make_writable(block, address, length)
}

/// As [`open`], and lets compiled code know what it need not ask for any more.
pub(crate) fn open_for_code(block: &'static ControlBlock, address: u64, length: u64) -> bool {
    if !open(block, address, length) {
        return false;
    }
    let (first, end) = seal::writable_around(block, address, zero(block).1);
    // SAFETY: the fixed header is part of every state.
    unsafe {
        write_state(block, vmctx::WRITABLE_FIRST, first);
        write_state(block, vmctx::WRITABLE_END, end);
    }
    true
}

fn find(block: &'static ControlBlock, inner: &Inner, index: u32) -> Result<Linear> {
    Linear::of(block, inner, index)
        .ok_or_else(|| error!(Status::NotFound, "the module has no memory {index}"))
}

fn range(memory: &Linear, address: u64, length: u64) -> Result<usize> {
    memory.range(address, length).ok_or_else(|| {
        error!(
            Status::OutOfBounds,
            "{length} bytes at {address:#x} do not lie within a memory of {} bytes", memory.bytes
        )
    })
}

/// A checked range to read.
///
/// # Errors
///
/// `OutOfBounds`, `NotFound`, `Stale`, `WrongProcess`.
pub fn view(handle: Handle, index: u32, address: u64, length: u64) -> Result<*const u8> {
    let (block, inner) = live(handle)?;
    inner.views.settle();
    Ok(range(&find(block, inner, index)?, address, length)? as *const u8)
}

/// A checked range to write, by the program or the kernel.
///
/// # Errors
///
/// As [`view`].
pub fn view_mut(handle: Handle, index: u32, address: u64, length: u64) -> Result<*mut u8> {
    let (block, inner) = settled(handle)?;
    inner.views.settle();
    let memory = find(block, inner, index)?;
    let at = range(&memory, address, length)?;
    if !memory.open(address, length) {
        return Err(error!(
            Status::System,
            "the kernel does not make {length} bytes at {address:#x} writable"
        ));
    }
    Ok(at as *mut u8)
}

/// [`view`] for the host: where views are poisoned, one that a host function asks for is over with its call.
///
/// # Errors
///
/// As [`view`]; `NoMemory`.
pub fn view_of_call(handle: Handle, index: u32, address: u64, length: u64) -> Result<*const u8> {
    let at = view(handle, index, address, length)?;
    Ok(lent(handle, at.cast_mut(), address, length, false)?.cast_const())
}

/// [`view_mut`] for the host, as [`view_of_call`].
///
/// # Errors
///
/// As [`view_of_call`]; `System`.
pub fn view_mut_of_call(handle: Handle, index: u32, address: u64, length: u64) -> Result<*mut u8> {
    let at = view_mut(handle, index, address, length)?;
    lent(handle, at, address, length, true)
}

/// A checked range, or the copy that stands for it in a call whose views are poisoned: it is aligned as the address is.
fn lent(handle: Handle, at: *mut u8, address: u64, length: u64, written: bool) -> Result<*mut u8> {
    let views = &live(handle)?.1.views;
    let Some(call) = views.current() else {
        return Ok(at);
    };
    let misalignment = (1usize << address.trailing_zeros().min(4)) - 1;
    // SAFETY: the range lies in the memory, whose instance this thread runs; it is open if it is written.
    let copy = unsafe { views.lend(call, at, length as usize, misalignment, written) };
    copy.ok_or_else(|| Error::no_memory("a view that is poisoned"))
}

/// Copies out of the guest.
///
/// # Errors
///
/// As [`view`].
///
/// # Safety
///
/// `to` has room for `length` bytes.
pub unsafe fn read(
    handle: Handle,
    index: u32,
    address: u64,
    to: *mut u8,
    length: usize,
) -> Result<()> {
    let from = view(handle, index, address, length as u64)?;
    // SAFETY: the source has been checked, the destination is the caller's promise; `copy` allows overlap.
    unsafe { std::ptr::copy(from, to, length) };
    Ok(())
}

/// Copies into the guest.
///
/// # Errors
///
/// As [`view`].
///
/// # Safety
///
/// `from` has `length` readable bytes.
pub unsafe fn write(
    handle: Handle,
    index: u32,
    address: u64,
    from: *const u8,
    length: usize,
) -> Result<()> {
    let to = view_mut(handle, index, address, length as u64)?;
    // SAFETY: the destination has been checked, the source is the caller's promise; `copy` allows overlap.
    unsafe { std::ptr::copy(from, to, length) };
    live(handle)?.1.views.refresh();
    Ok(())
}

/// Grows a memory as `memory.grow` would, and answers the old size in pages.
///
/// # Errors
///
/// `Limit` when the module's maximum, the region or the limits do not allow it; `NotFound`, `Stale`, `WrongProcess`.
pub fn grow(handle: Handle, index: u32, pages: u64) -> Result<u64> {
    let (block, inner) = settled(handle)?;
    let old = find(block, inner, index)?.bytes;
    inner.views.guest_runs();
    grow_by(block, inner, index, pages).ok_or_else(|| {
        error!(Status::Limit, "a memory of {old} bytes cannot grow by {pages} pages: maximum, region or limits do not allow it")
    })
}

/// Grows a memory, and answers the old size in pages; `None`: refused, and nothing has changed.
pub(crate) fn grow_by(block: &ControlBlock, inner: &Inner, index: u32, pages: u64) -> Option<u64> {
    let memory = inner.link().ok()?.memories.get(index as usize)?;
    if memory.home == Home::Imported {
        let (block, inner, index) = owner(inner, index)?;
        return grow_by(block, inner, index, pages);
    }
    let old = used_bytes(block, inner, memory);
    let old_pages = old >> memory.page_size_log2;
    if pages == 0 {
        return Some(old_pages);
    }
    let more = pages.checked_mul(1 << memory.page_size_log2)?;
    let new = old.checked_add(more)?;
    let total = total_bytes(block, inner).checked_add(more)?;
    let region = inner.region.config.memory_bytes;
    let limit = Limits::within(inner.limits.get().memory_bytes, u64::MAX);
    if new > memory.maximum.min(region) || total > limit {
        return None;
    }
    match memory.home {
        Home::First => {
            let accessible = new.checked_next_multiple_of(PAGE_SIZE)?;
            if accessible > block.accessible.load(Ordering::Relaxed) {
                slot::resize_memory(&inner.region, block, accessible).ok()?;
            }
            publish_memory_bytes(block, inner, new);
        }
        Home::Further(_) | Home::Imported => {
            // SAFETY: parsing has checked that descriptors lie within the state.
            unsafe { write_state(block, memory.state_offset - MEMORY_LENGTH, new) };
        }
    }
    inner.tally.peak(total);
    Some(old_pages)
}
