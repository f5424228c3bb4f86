//! Running guests, and how a run ended.

use super::guard::{guarded, guarded_value};
use super::instance::{handle, lucet_instance};
use super::module::lucet_func;
use super::object::null;
use super::status::{LUCET_OK, lucet_status};
use super::structs::{array, put, text};
use crate::abi::{LUCET_NOT_RUN, lucet_frame, lucet_funcref, lucet_outcome, lucet_value};
use crate::context::ByHandle;
use crate::error::{Result, Status, error};
use crate::instance;
use crate::instance::outcome::NOT_RUN;
use crate::module::Func;
use crate::module::code::FUNC_TAG;
use std::ffi::c_char;
use std::fmt::{self, Write};
use std::mem::offset_of;

/// # Safety
///
/// As [`array`].
pub(super) unsafe fn values_in<'a>(
    first: *const lucet_value,
    count: usize,
) -> Result<&'a [lucet_value]> {
    // SAFETY: the caller's promise.
    unsafe { array(first, count, "arguments") }
}

/// # Safety
///
/// `func` is NULL, or came from lucet_module_func and its module is alive, or points at something else that can be read.
pub(super) unsafe fn func_of<'a>(func: *const lucet_func) -> Result<&'a Func> {
    let func = func.cast::<Func>();
    if func.is_null() {
        return Err(null("func"));
    }
    // SAFETY: the caller's promise; the alignment is checked first.
    let ours = func.is_aligned() && unsafe { (&raw const (*func).tag).read_volatile() } == FUNC_TAG;
    if !ours {
        return Err(error!(
            Status::BadArgument,
            "this pointer is not a lucet_func"
        ));
    }
    // SAFETY: the tag says so.
    Ok(unsafe { &*func })
}

/// Hands an outcome to C; one that did not come about is `LUCET_NOT_RUN`.
///
/// # Safety
///
/// `out` is NULL or can be written.
pub(super) unsafe fn deliver(
    out: *mut lucet_outcome,
    outcome: Result<lucet_outcome>,
) -> Result<()> {
    if !out.is_null() {
        // SAFETY: the caller's promise.
        unsafe { out.write(*outcome.as_ref().unwrap_or(&NOT_RUN)) };
    }
    outcome.map(|_| ())
}

/// Instantiates: runs what the first entry would run before anything else, which is the module's start function. Optional.
/// LUCET_OK says that the outcome tells what happened: LUCET_RETURNED, or how the start function ended. `out_outcome` may be NULL.
/// Errors: NULL_ARGUMENT, STALE, RUNNING, NEEDS_RESET, WRONG_PROCESS; BAD_STATE, LIMIT, UNSUPPORTED, NO_MEMORY, SYSTEM: as lucet_instance_run. The
/// instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_start(
    instance: *mut lucet_instance,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe { deliver(out_outcome, handle(instance).and_then(instance::start)) })
}

/// Calls an exported function by its name. LUCET_OK says that the guest ran and the outcome tells how that ended; any other
/// status, that it has not run and is as it was (`out_outcome->kind` is LUCET_NOT_RUN). `out_outcome` may be NULL.
/// The arguments are copied. Results are in the outcome, the instance's until its next entry, reset or release.
/// Errors: NULL_ARGUMENT; NOT_FOUND: no such function; TYPE_MISMATCH: number or types of arguments; BAD_ARGUMENT: a funcref that
/// is not the instance's; BAD_STATE: it waits, suspended or preempted; RUNNING; NEEDS_RESET; STALE; WRONG_PROCESS. At the thread's first run,
/// when it cannot be prepared: BAD_STATE: it is on its alternate signal stack, in a signal handler; LIMIT: 65536 threads run guests already;
/// UNSUPPORTED: it has a shadow stack; NO_MEMORY; SYSTEM: for one, there is no timer left (RLIMIT_SIGPENDING). The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_run(
    instance: *mut lucet_instance,
    name: *const c_char,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run = || {
            instance::run(
                handle(instance)?,
                text(name, "name")?.to_bytes(),
                values_in(arguments, count)?,
            )
        };
        deliver(out_outcome, run())
    })
}

/// As lucet_instance_run, with a function that was looked up before. Errors: also BAD_ARGUMENT: another module's function.
/// The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_call(
    instance: *mut lucet_instance,
    func: *const lucet_func,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    let function = func.cast::<Func>();
    let sound = !function.is_null() && function.is_aligned() && arguments.is_aligned();
    // SAFETY: the C contract of this function: whatever it is, its first field can be read.
    if sound && unsafe { (&raw const (*function).tag).read_volatile() } == FUNC_TAG {
        // SAFETY: the tag says that it is a function.
        let way = unsafe { &raw const (*function).by_handle };
        let handle = instance as u64;
        // SAFETY: the C contract of this function, which has this way in.
        return unsafe {
            ((*way).entry)(handle, way, arguments, count, out_outcome, call_otherwise)
        };
    }
    // SAFETY: the C contract of this function.
    unsafe { call_long(instance, func, arguments, count, out_outcome) }
}

/// Where the entries of [`ByHandle`] go on when the function has not returned.
///
/// # Safety
///
/// As [`lucet_instance_call`]; `way` is that of a function.
///
/// cbindgen:ignore
unsafe extern "C" fn call_otherwise(
    handle: u64,
    way: *const ByHandle,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
    kind: u32,
) -> lucet_status {
    if kind == LUCET_NOT_RUN {
        // SAFETY: the caller's promise: it lies in a function.
        unsafe {
            let func = way
                .byte_sub(offset_of!(Func, by_handle))
                .cast::<lucet_func>();
            let instance = handle as *mut lucet_instance;
            return call_long(instance, func, arguments, count, out_outcome);
        }
    }
    let mut unwanted = NOT_RUN;
    // SAFETY: the C contract: NULL, or it can be written.
    let out = unsafe { out_outcome.as_mut() }.unwrap_or(&mut unwanted);
    instance::short::did_not_return(handle, kind, out);
    LUCET_OK
}

/// Any call.
///
/// # Safety
///
/// As [`lucet_instance_call`].
///
/// cbindgen:ignore
#[inline(never)]
unsafe extern "C" fn call_long(
    instance: *mut lucet_instance,
    func: *const lucet_func,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of lucet_instance_call.
    if let Some(status) = unsafe { call_short(instance, func, arguments, count, out_outcome) } {
        return status;
    }
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run = || {
            instance::call(
                handle(instance)?,
                func_of(func)?,
                values_in(arguments, count)?,
            )
        };
        deliver(out_outcome, run())
    })
}

/// The call as it mostly is, without a guard: nothing in it can panic. `None`: nothing has happened.
///
/// # Safety
///
/// The C contract of [`lucet_instance_call`].
#[inline]
unsafe fn call_short(
    instance: *mut lucet_instance,
    func: *const lucet_func,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> Option<lucet_status> {
    let func = func.cast::<Func>();
    let sound = !func.is_null()
        && func.is_aligned()
        && arguments.is_aligned()
        && (count == 0 || !arguments.is_null());
    // SAFETY: the caller's promise: whatever it is, its first field can be read.
    if !sound || unsafe { (&raw const (*func).tag).read_volatile() } != FUNC_TAG {
        return None;
    }
    // SAFETY: the tag says that it is a function; the caller's promise for the arguments.
    let (func, arguments) = unsafe {
        let arguments = if count == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(arguments, count)
        };
        (&*func, arguments)
    };
    let mut unwanted = NOT_RUN;
    let out = if out_outcome.is_null() {
        &raw mut unwanted
    } else {
        out_outcome
    };
    // SAFETY: the caller's promise, or the variable above.
    instance::short::call(instance as u64, func, arguments, unsafe { &mut *out })
        .then_some(LUCET_OK)
}

/// As lucet_instance_run, with a reference that this instance has passed or returned. Errors: also BAD_ARGUMENT: null, or not the
/// instance's. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_call_funcref(
    instance: *mut lucet_instance,
    function: lucet_funcref,
    arguments: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run =
            || instance::call_funcref(handle(instance)?, function, values_in(arguments, count)?);
        deliver(out_outcome, run())
    })
}

/// Goes on with a guest whose outcome was LUCET_SUSPENDED, as if its host function had returned `results` now; or with one that was
/// LUCET_PREEMPTED, at the very instruction, without results. The outcome is that of the entry that was interrupted, or the guest waits again.
/// Works from any thread, and as soon as a host function has passed the token on: if the run that it suspended has not returned yet,
/// that is RUNNING. A deadline that has passed meanwhile ends the guest now.
/// Errors: TYPE_MISMATCH: number or types of results; BAD_ARGUMENT: a funcref that is not the instance's; BAD_STATE: it waits
/// for nothing; RUNNING; NEEDS_RESET; NULL_ARGUMENT; STALE; WRONG_PROCESS; and when the thread cannot be prepared, as in lucet_instance_run. The
/// guest waits on then. Any thread, one at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_resume(
    instance: *mut lucet_instance,
    results: *const lucet_value,
    count: usize,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let run = || instance::resume(handle(instance)?, values_in(results, count)?);
        deliver(out_outcome, run())
    })
}

/// Lets an instance be entered again after a trap or a termination without a reset, its memory as the guest left it: for hosts
/// that know their guest. Inside a host function whose callback ended badly: lets the outer guest go on.
/// Errors: BAD_STATE: it was not stopped; NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_keep(instance: *mut lucet_instance) -> lucet_status {
    guarded(|| instance::keep(handle(instance)?))
}

/// Says that a run is over which the host has left by longjmp, from within a host function past the call that began the run. The
/// instance is then as after a termination: reset or release it. A host that leaves runs of several instances at once abandons the innermost
/// first. In a host function that has caught a jump out of callbacks which it has made: says that these are over, as if they had been
/// terminated; the guest ends when the host function returns, unless lucet_instance_keep is called. Not for guest code that was left by siglongjmp
/// from a signal handler, nor, but for whole runs, on stacks of the host's making.
/// A thread that ends in a host function (pthread_exit, cancellation; C only) has to do the same before it is gone, in a handler that it has
/// pushed by pthread_cleanup_push around the run: without this the instance stays LUCET_RUNNING for good, and its slot is lost.
/// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS; BAD_STATE, which is one of these:
/// * the instance is in no host function;
/// * another thread entered it;
/// * its host function has not been left; this cannot be told in callbacks, nor, where a host has no unwind tables, from a function further down
///   the stack than the run was;
/// * what was left is a callback, and calls of linked instances with it: leave the run.
///
/// The thread that entered the instance. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_abandon(instance: *mut lucet_instance) -> lucet_status {
    guarded(|| instance::abandon(handle(instance)?))
}

/// The outcome of the latest entry; LUCET_NOT_RUN when there was none since new or reset.
/// Errors: NULL_ARGUMENT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_outcome(
    instance: *const lucet_instance,
    out_outcome: *mut lucet_outcome,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        put(
            out_outcome,
            instance::outcome(handle(instance)?)?,
            "out_outcome",
        )
    })
}

/// The guest functions that were active when the guest trapped or was terminated, innermost first, at most 64.
/// The frames are the instance's until its next entry, reset or release. None after a return.
/// Errors: NULL_ARGUMENT, RUNNING, STALE, WRONG_PROCESS, NO_MEMORY. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_backtrace(
    instance: *const lucet_instance,
    out_frames: *mut *const lucet_frame,
    out_count: *mut usize,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if out_frames.is_null() || out_count.is_null() {
            return Err(null("out_frames or out_count"));
        }
        let (frames, count) = instance::backtrace(handle(instance)?)?;
        out_frames.write(frames);
        out_count.write(count);
        Ok(())
    })
}

/// Describes the latest outcome in one line: what, in which function, at which offset of the wasm file, called by whom. Bytes
/// that come from the guest are escaped, so the line is safe for logs.
/// Works like snprintf: writes at most `size` bytes, NUL included, and returns the length of the whole line without the NUL.
/// 0 when the instance is stale. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_describe(
    instance: *const lucet_instance,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    let mut writer = Snprintf {
        buffer: buffer.cast(),
        size: if buffer.is_null() { 0 } else { size },
        length: 0,
    };
    let described = guarded_value(|| instance::describe(handle(instance)?, &mut writer));
    if described.is_err() {
        writer.length = 0;
    }
    writer.finish()
}

/// Writes what fits, and counts everything.
struct Snprintf {
    buffer: *mut u8,
    size: usize,
    length: usize,
}

impl Snprintf {
    fn finish(self) -> usize {
        if self.size > 0 {
            let end = self.length.min(self.size - 1);
            // SAFETY: `end` is within the caller's buffer.
            unsafe { self.buffer.add(end).write(0) };
        }
        self.length
    }
}

impl Write for Snprintf {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.size.saturating_sub(1).saturating_sub(self.length);
        let take = text.len().min(room);
        if take > 0 {
            // SAFETY: `length + take` is at most `size - 1`, within the caller's buffer.
            unsafe {
                self.buffer
                    .add(self.length)
                    .copy_from_nonoverlapping(text.as_ptr(), take)
            };
        }
        self.length += text.len();
        Ok(())
    }
}
