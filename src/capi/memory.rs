//! An instance's linear memory, from the host.

use super::guard::{guarded, guarded_value};
use super::instance::{handle, lucet_instance};
use super::object::null;
use super::run::deliver;
use super::status::lucet_status;
use super::structs::put;
use crate::abi::lucet_outcome;
use crate::error::{Status, error};
use crate::instance::outcome::NOT_RUN;
use crate::instance::{alloc, memory};
use std::ffi::c_void;

/// A linear memory as it is now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_memory {
    /// Its first byte. Valid until the next growth, reset or release.
    pub data: *const u8,
    /// Its length in bytes.
    pub size: usize,
}

/// A memory as a whole; `{NULL, 0}` when the instance is stale or has no such memory. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_memory(
    instance: *const lucet_instance,
    index: u32,
) -> lucet_memory {
    let found = guarded_value(|| memory::memory(handle(instance)?, index));
    let (data, size) = found.map_or((std::ptr::null(), 0), |(address, size)| {
        (address as *const u8, size)
    });
    lucet_memory { data, size }
}

/// A checked range of a memory, for reading, valid until the next growth, reset or release. What a guest has given is hostile: it
/// may be changed by the guest's next run, so copy before checking what is in it.
/// Errors: NULL_ARGUMENT; OUT_OF_BOUNDS; NOT_FOUND: no such memory; STALE; WRONG_PROCESS; NO_MEMORY: for the copy, with lucet_linker_poison_views. The
/// instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_view(
    instance: *const lucet_instance,
    memory: u32,
    address: u64,
    length: u64,
    out_data: *mut *const u8,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_data,
            memory::view_of_call(handle(instance)?, memory, address, length)?,
            "out_data",
        )
    })
}

/// As lucet_instance_view, for writing too: by the program, or by the kernel in read(2).
/// Errors: also BAD_STATE: the guest is preempted; SYSTEM: the pages could not be made writable. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_view_mut(
    instance: *mut lucet_instance,
    memory: u32,
    address: u64,
    length: u64,
    out_data: *mut *mut u8,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_data,
            memory::view_mut_of_call(handle(instance)?, memory, address, length)?,
            "out_data",
        )
    })
}

/// Copies bytes out of a memory, all or none. Errors: NULL_ARGUMENT, OUT_OF_BOUNDS, NOT_FOUND, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_read(
    instance: *const lucet_instance,
    memory: u32,
    address: u64,
    buffer: *mut c_void,
    length: usize,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if buffer.is_null() && length > 0 {
            return Err(null("buffer"));
        }
        memory::read(handle(instance)?, memory, address, buffer.cast(), length)
    })
}

/// Copies bytes into a memory, all or none. Errors: NULL_ARGUMENT; OUT_OF_BOUNDS; NOT_FOUND: no such memory; BAD_STATE: the guest is preempted;
/// SYSTEM: the pages could not be made writable; STALE; WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_write(
    instance: *mut lucet_instance,
    memory: u32,
    address: u64,
    bytes: *const c_void,
    length: usize,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if bytes.is_null() && length > 0 {
            return Err(null("bytes"));
        }
        memory::write(handle(instance)?, memory, address, bytes.cast(), length)
    })
}

/// Grows a memory by pages (lucet_extern.page_bytes), as memory.grow does. `out_old_pages` may be NULL.
/// Errors: LIMIT: the module's maximum, the region, the limits or the system do not allow it, nothing has changed; BAD_STATE: the guest is preempted;
/// NOT_FOUND, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_memory_grow(
    instance: *mut lucet_instance,
    memory: u32,
    pages: u64,
    out_old_pages: *mut u64,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let old = memory::grow(handle(instance)?, memory, pages)?;
        if out_old_pages.is_null() {
            Ok(())
        } else {
            put(out_old_pages, old, "out_old_pages")
        }
    })
}

/// Asks the guest for memory, by its export `cabi_realloc(old, old_size, align, size)`. The range that it answers is checked to
/// lie in its memory and to be aligned, and not to start at 0 unless `size` is 0: that is an allocator without memory. `out_outcome`
/// may be NULL.
/// Errors: NOT_FOUND: no such export; OUT_OF_BOUNDS: the answer is no such range; BAD_STATE: the guest has run and did not return an address, see the
/// outcome, or it cannot be entered, as in lucet_instance_run: `out_outcome->kind` is LUCET_NOT_RUN then; LIMIT: more than 4 GiB; BAD_ARGUMENT:
/// `align` is not a power of two; and those of lucet_instance_run. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_alloc(
    instance: *mut lucet_instance,
    size: usize,
    align: usize,
    out_address: *mut u64,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        // Written in every case; a run that happens overwrites it.
        deliver(out_outcome, Ok(NOT_RUN))?;
        if out_address.is_null() {
            return Err(null("out_address"));
        }
        if !align.is_power_of_two() {
            return Err(error!(
                Status::BadArgument,
                "an alignment of {align} is not a power of two"
            ));
        }
        let (address, outcome) = alloc::alloc(handle(instance)?, size, align);
        deliver(out_outcome, Ok(outcome))?;
        put(out_address, address?, "out_address")
    })
}
