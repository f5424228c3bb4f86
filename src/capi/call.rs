//! Inside a host function: its lucet_call.

use super::guard::{guarded, guarded_value};
use super::run::{deliver, func_of, values_in};
use super::status::lucet_status;
use super::structs::text;
use crate::abi::{LUCET_STOP_HOST, lucet_call, lucet_funcref, lucet_outcome, lucet_value};
use crate::call;
use std::ffi::{c_char, c_void};

use super::instance::lucet_instance;
use super::module::lucet_func;

/// The instance that calls. NULL outside of a host function. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_instance(call: *const lucet_call) -> *mut lucet_instance {
    guarded_value(|| call::instance(call)).map_or(std::ptr::null_mut(), |handle| {
        handle.0 as *mut lucet_instance
    })
}

/// The `data` with which the host function was defined. NULL outside of a host function. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_data(call: *const lucet_call) -> *mut c_void {
    guarded_value(|| call::data(call)).unwrap_or(std::ptr::null_mut())
}

/// The `data` with which the calling instance was made. NULL outside of a host function. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_instance_data(call: *const lucet_call) -> *mut c_void {
    guarded_value(|| call::instance_data(call)).unwrap_or(std::ptr::null_mut())
}

/// Ends the guest when the host function returns, whatever it returns: the outcome is LUCET_TERMINATED, LUCET_STOP_HOST,
/// with `reason` as its token.
/// Errors: NULL_ARGUMENT; BAD_STATE: in a leaf function, or outside. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_terminate(call: *mut lucet_call, reason: u64) -> lucet_status {
    guarded(|| call::terminate(call, LUCET_STOP_HOST, reason))
}

/// Ends the guest with a trap when the host function returns, whatever it returns. `trap` is one of LUCET_TRAP_*: usually
/// LUCET_TRAP_HOST_ARGUMENT for a pointer or number that the guest should not have passed, or LUCET_TRAP_HOST.
/// Errors: NULL_ARGUMENT; BAD_ARGUMENT: not a trap; BAD_STATE: in a leaf function, or outside. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_trap(call: *mut lucet_call, trap: u32) -> lucet_status {
    guarded(|| call::trap(call, trap))
}

/// Suspends the guest when the host function returns, whatever it returns: the outcome is LUCET_SUSPENDED with `token`, and
/// lucet_instance_resume delivers later, from any thread, what the guest sees as this call's results.
/// Errors: NULL_ARGUMENT; BAD_STATE: in a leaf function, in a callback (the host function that called it has not returned), after
/// the guest's end was asked for, or outside. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_suspend(call: *mut lucet_call, token: u64) -> lucet_status {
    guarded(|| call::suspend(call, token))
}

/// Calls an exported function of the calling instance, on its stack, below the frames that are there. A callback that traps
/// or is terminated ends the outer guest in the same way when the host function returns, unless lucet_instance_keep is called
/// before.
/// `out_outcome` may be NULL; the values in it are valid until the next entry.
/// Errors: as lucet_instance_run, and DEPTH: too many callbacks, or too little host stack; the guest traps with
/// LUCET_TRAP_DEPTH when the host function returns. BAD_STATE: in a leaf function, or after the guest's end was asked for.
/// The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_run(
    call: *mut lucet_call,
    name: *const c_char,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run = || {
            let name = text(name, "name")?.to_bytes();
            call::run(call, name, values_in(arguments, count)?)
        };
        deliver(out_outcome, run())
    })
}

/// As lucet_call_run, with a function that was looked up before. Errors: also BAD_ARGUMENT: another module's function. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_func(
    call: *mut lucet_call,
    func: *const lucet_func,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run = || call::func(call, func_of(func)?, values_in(arguments, count)?);
        deliver(out_outcome, run())
    })
}

/// As lucet_call_run, with a reference that the guest has passed. Errors: also BAD_ARGUMENT: null, or not the instance's. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_funcref(
    call: *mut lucet_call,
    function: lucet_funcref,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        deliver(
            out_outcome,
            values_in(arguments, count).and_then(|values| call::funcref(call, function, values)),
        )
    })
}
