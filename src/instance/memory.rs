//! An instance's linear memory, as the host uses it: checked views, copies, growth.

use super::{Handle, Inner, Limits, live, publish_memory_bytes, read_state, settled};
use crate::control::ControlBlock;
use crate::error::{Result, Status, error};
use crate::region::{seal, slot};
use lucet_format::{WASM_PAGE_SIZE, vmctx};
use std::sync::atomic::Ordering;

/// Address and length of a memory.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn memory(handle: Handle, index: u32) -> Result<(usize, usize)> {
    let (block, inner) = live(handle)?;
    exists(inner, index)?;
    Ok((block.vmctx.get(), inner.memory_bytes.get() as usize))
}

/// Where memory 0 of a calling instance begins, and its bytes. Without one: nothing.
pub(crate) fn zero(block: &ControlBlock) -> (*mut u8, u64) {
    // SAFETY: the fixed header is part of every state.
    let bytes = unsafe { read_state(block, vmctx::MEMORY_BYTES) };
    (block.vmctx.get() as *mut u8, bytes)
}

/// Makes a checked range of memory 0 writable for the host and the kernel. False: the kernel refuses.
pub(crate) fn open(block: &ControlBlock, address: u64, length: u64) -> bool {
    seal::make_writable(block, address, length)
}

fn exists(inner: &Inner, index: u32) -> Result<()> {
    if (index as usize) < inner.image().memories().len() && index == 0 {
        return Ok(());
    }
    Err(error!(Status::NotFound, "the module has no memory {index}"))
}

fn range(
    block: &ControlBlock,
    inner: &Inner,
    index: u32,
    address: u64,
    length: u64,
) -> Result<usize> {
    exists(inner, index)?;
    let size = inner.memory_bytes.get();
    if address > size || length > size - address {
        return Err(error!(
            Status::OutOfBounds,
            "{length} bytes at {address:#x} do not lie within a memory of {size} bytes"
        ));
    }
    Ok(block.vmctx.get() + address as usize)
}

/// A checked range to read.
///
/// # Errors
///
/// `OutOfBounds`, `NotFound`, `Stale`, `WrongProcess`.
pub fn view(handle: Handle, index: u32, address: u64, length: u64) -> Result<*const u8> {
    let (block, inner) = live(handle)?;
    Ok(range(block, inner, index, address, length)? as *const u8)
}

/// A checked range to write, by the program or the kernel.
///
/// # Errors
///
/// As [`view`].
pub fn view_mut(handle: Handle, index: u32, address: u64, length: u64) -> Result<*mut u8> {
    let (block, inner) = settled(handle)?;
    let at = range(block, inner, index, address, length)?;
    if !seal::make_writable(block, address, length) {
        return Err(error!(
            Status::System,
            "the kernel does not make {length} bytes at {address:#x} writable"
        ));
    }
    Ok(at as *mut u8)
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
    Ok(())
}

/// Grows a memory as `memory.grow` would, and answers the old size in pages.
///
/// # Errors
///
/// `Limit` when the module's maximum, the region or the limits do not allow it; `NotFound`, `Stale`, `WrongProcess`.
pub fn grow(handle: Handle, index: u32, pages: u64) -> Result<u64> {
    let (block, inner) = settled(handle)?;
    exists(inner, index)?;
    let old = inner.memory_bytes.get() / WASM_PAGE_SIZE;
    grow_by(block, inner, pages).ok_or_else(|| {
        error!(Status::Limit, "a memory of {old} pages cannot grow by {pages}: maximum, region or limits do not allow it")
    })
}

/// Grows memory 0; `None`: refused, and nothing has changed.
pub(crate) fn grow_by(block: &ControlBlock, inner: &Inner, pages: u64) -> Option<u64> {
    let old = inner.memory_bytes.get();
    let new = pages.checked_mul(WASM_PAGE_SIZE)?.checked_add(old)?;
    let region = inner.region.config.memory_bytes;
    let most = Limits::within(inner.limits.get().memory_bytes, region)
        .min(inner.link().ok()?.memory_maximum);
    if new > most && pages > 0 {
        return None;
    }
    if new > block.accessible.load(Ordering::Relaxed) {
        slot::resize_memory(&inner.region, block, new).ok()?;
    }
    publish_memory_bytes(block, inner, new);
    Some(old / WASM_PAGE_SIZE)
}
