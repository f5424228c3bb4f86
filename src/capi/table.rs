//! An instance's exported tables.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::object::null;
use super::status::lucet_status;
use super::structs::{put, text};
use crate::abi::lucet_value;
use crate::instance::table;
use std::ffi::c_char;

/// How many elements an exported table has. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_STATE: the guest is preempted; STALE; WRONG_PROCESS. The instance's
/// thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_table_size(
    instance: *const lucet_instance,
    name: *const c_char,
    out_size: *mut u64,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_size,
            table::size(handle(instance)?, text(name, "name")?.to_bytes())?,
            "out_size",
        )
    })
}

/// An element of an exported table. Errors: OUT_OF_BOUNDS; NO_MEMORY: a reference in a table of another instance cannot be handed over; and as
/// lucet_instance_table_size. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_table_get(
    instance: *const lucet_instance,
    name: *const c_char,
    index: u64,
    out_value: *mut lucet_value,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_value,
            table::get(handle(instance)?, text(name, "name")?.to_bytes(), index)?,
            "out_value",
        )
    })
}

/// Changes an element of an exported table. Errors: OUT_OF_BOUNDS; TYPE_MISMATCH; BAD_ARGUMENT: a funcref that is not the instance's;
/// and as lucet_instance_table_get. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_table_set(
    instance: *mut lucet_instance,
    name: *const c_char,
    index: u64,
    value: *const lucet_value,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let value = value.as_ref().ok_or_else(|| null("value"))?;
        table::set(
            handle(instance)?,
            text(name, "name")?.to_bytes(),
            index,
            value,
        )
    })
}

/// Grows an exported table by `delta` elements that are `value`. `out_old_size` may be NULL.
/// Errors: LIMIT: the table's maximum, the region or the limits do not allow it; and as lucet_instance_table_set. The instance's thread.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_table_grow(
    instance: *mut lucet_instance,
    name: *const c_char,
    delta: u64,
    value: *const lucet_value,
    out_old_size: *mut u64,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let value = value.as_ref().ok_or_else(|| null("value"))?;
        let old = table::grow(
            handle(instance)?,
            text(name, "name")?.to_bytes(),
            delta,
            value,
        )?;
        if out_old_size.is_null() {
            Ok(())
        } else {
            put(out_old_size, old, "out_old_size")
        }
    })
}
