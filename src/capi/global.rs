//! An instance's exported globals.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::object::null;
use super::status::lucet_status;
use super::structs::{put, text};
use crate::abi::lucet_value;
use crate::instance::global;
use std::ffi::c_char;

/// The value of an exported global. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_STATE: the guest is preempted; STALE; WRONG_PROCESS; NO_MEMORY, LIMIT: a
/// reference in a global of another instance cannot be handed over. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_global_get(
    instance: *const lucet_instance,
    name: *const c_char,
    out_value: *mut lucet_value,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_value,
            global::get(handle(instance)?, text(name, "name")?.to_bytes())?,
            "out_value",
        )
    })
}

/// Changes an exported mutable global. Errors: NULL_ARGUMENT; NOT_FOUND; BAD_ARGUMENT: it is immutable, or a funcref that is not the
/// instance's; TYPE_MISMATCH; and as lucet_instance_global_get. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_global_set(
    instance: *mut lucet_instance,
    name: *const c_char,
    value: *const lucet_value,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let value = value.as_ref().ok_or_else(|| null("value"))?;
        global::set(handle(instance)?, text(name, "name")?.to_bytes(), value)
    })
}
