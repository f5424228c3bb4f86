//! What surrounds the body of every function of the C API: failures become statuses, panics too.

use super::status::lucet_status;
use crate::error::{Result, Status, error};
use crate::guard;

/// Runs the body of a function that answers with a status.
pub(super) fn guarded(body: impl FnOnce() -> Result<()>) -> lucet_status {
    match guarded_value(body) {
        Ok(()) => Status::Ok as lucet_status,
        Err(failure) => failure.status as lucet_status,
    }
}

/// Runs the body of a function that answers with something else, whose caller turns a failure into that.
pub(super) fn guarded_value<R>(body: impl FnOnce() -> Result<R>) -> Result<R> {
    let done = guard::catch(|| {
        #[cfg(test)]
        injected();
        body()
    });
    done.unwrap_or_else(|_| {
        Err(error!(
            Status::Poisoned,
            "an internal error in the library: please report it"
        ))
    })
}

#[cfg(test)]
thread_local! {
    /// Whether the next guarded body panics.
    pub(super) static PANIC: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
fn injected() {
    assert!(!PANIC.replace(false), "injected");
}

#[cfg(test)]
mod tests {
    use super::PANIC;
    use crate::capi::status::{LUCET_OK, LUCET_POISONED, lucet_last_error};
    use crate::capi::{
        call, describe, global, instance, linker, memory, module, process, region, run, table, wasi,
    };
    use std::ffi::CStr;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::ptr::{null, null_mut};

    /// What `body` writes to the process's standard error.
    fn standard_error(body: impl FnOnce()) -> usize {
        // SAFETY: plain system calls on descriptors of this test.
        unsafe {
            let file = OwnedFd::from_raw_fd(libc::memfd_create(c"stderr".as_ptr(), 0));
            let before = OwnedFd::from_raw_fd(libc::dup(2));
            libc::dup2(file.as_raw_fd(), 2);
            body();
            libc::dup2(before.as_raw_fd(), 2);
            libc::lseek(file.as_raw_fd(), 0, libc::SEEK_END) as usize
        }
    }

    fn poisoned(what: &str, call: impl FnOnce() -> i32) {
        PANIC.set(true);
        assert_eq!(call(), LUCET_POISONED, "{what}");
        assert!(!PANIC.get(), "{what} is not guarded");
        // SAFETY: a C string of the library.
        let sentence = unsafe { CStr::from_ptr(lucet_last_error()) }
            .to_str()
            .expect("UTF-8");
        assert!(sentence.contains("internal error"), "{what}: {sentence}");
    }

    #[test]
    fn a_panic_in_any_function_is_a_status_and_silent() {
        let written = standard_error(|| {
            // SAFETY: the panic comes before anything is looked at.
            unsafe {
                poisoned("linker_new", || linker::lucet_linker_new(null_mut()));
                poisoned("linker_define", || {
                    linker::lucet_linker_define(null_mut(), null(), null(), 0, null_mut())
                });
                poisoned("define_wasi_stub", || {
                    wasi::lucet_linker_define_wasi_stub(null_mut(), null())
                });
                poisoned("module_load_file", || {
                    module::lucet_module_load_file(null(), null(), null(), null_mut())
                });
                poisoned("module_link", || {
                    module::lucet_module_link(null(), null(), null(), null_mut())
                });
                poisoned("module_import", || {
                    describe::lucet_module_import(null(), 0, null_mut())
                });
                poisoned("region_new", || {
                    region::lucet_region_new(null(), null_mut())
                });
                poisoned("instance_new", || {
                    instance::lucet_instance_new(null_mut(), null(), null_mut(), null(), null_mut())
                });
                poisoned("instance_reset", || {
                    instance::lucet_instance_reset(null_mut())
                });
                poisoned("instance_run", || {
                    run::lucet_instance_run(null_mut(), null(), null(), 0, null_mut())
                });
                poisoned("instance_view", || {
                    memory::lucet_instance_view(null(), 0, 0, 0, null_mut())
                });
                poisoned("global_get", || {
                    global::lucet_instance_global_get(null(), null(), null_mut())
                });
                poisoned("table_size", || {
                    table::lucet_instance_table_size(null(), null(), null_mut())
                });
                poisoned("call_trap", || call::lucet_call_trap(null_mut(), 1));
                poisoned("signals_check", || process::lucet_signals_check());
            }
        });
        assert_eq!(written, 0, "a caught panic has written to standard error");
        // The library works as before.
        let mut linker = null_mut();
        // SAFETY: room for the result, which is released once.
        unsafe {
            assert_eq!(linker::lucet_linker_new(&raw mut linker), LUCET_OK);
            linker::lucet_linker_release(linker);
        }
    }
}
