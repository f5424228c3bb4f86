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
