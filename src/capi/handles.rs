//! Handles: objects of the host that guests know by number.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::object::null;
use super::status::lucet_status;
use super::structs::put;
use crate::abi::lucet_handle_kind;
use crate::error::Result;
use crate::instance::handles;
use std::ffi::c_void;

fn kind_of(kind: *const lucet_handle_kind) -> Result<*const lucet_handle_kind> {
    if kind.is_null() {
        return Err(null("kind"));
    }
    Ok(kind)
}

/// Makes a handle: a number that is not 0, by which the guest of this instance names `object`, which is not NULL. The object is
/// released when the handle is dropped, or the instance is reset or released. An instance has at most 65536 handles at a time.
/// Errors: NULL_ARGUMENT, LIMIT, NO_MEMORY, STALE, WRONG_PROCESS; the object stays the caller's then. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_handle_new(
    instance: *mut lucet_instance,
    kind: *const lucet_handle_kind,
    object: *mut c_void,
    out_handle: *mut u32,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let kind = kind_of(kind)?;
        if object.is_null() || out_handle.is_null() {
            return Err(null("object or out_handle"));
        }
        put(
            out_handle,
            handles::new(handle(instance)?, kind, object)?,
            "out_handle",
        )
    })
}

/// The object that a handle stands for. Errors: NULL_ARGUMENT; NOT_FOUND: no handle, one that has ended, or one of another kind;
/// STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_handle_get(
    instance: *const lucet_instance,
    kind: *const lucet_handle_kind,
    number: u32,
    out_object: *mut *mut c_void,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let object = handles::get(handle(instance)?, kind_of(kind)?, number)?;
        put(out_object, object, "out_object")
    })
}

/// Ends a handle without releasing its object, which becomes the caller's. Errors: as lucet_instance_handle_get. The
/// instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_handle_take(
    instance: *mut lucet_instance,
    kind: *const lucet_handle_kind,
    number: u32,
    out_object: *mut *mut c_void,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if out_object.is_null() {
            return Err(null("out_object"));
        }
        let object = handles::take(handle(instance)?, kind_of(kind)?, number)?;
        put(out_object, object, "out_object")
    })
}

/// Ends a handle and releases its object. Errors: as lucet_instance_handle_get. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_handle_drop(
    instance: *mut lucet_instance,
    kind: *const lucet_handle_kind,
    number: u32,
) -> lucet_status {
    guarded(|| handles::discard(handle(instance)?, kind_of(kind)?, number))
}
