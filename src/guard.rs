//! Where panics stop. The library has no panics that it knows of; should one happen, the host gets a status and
//! its process lives on, and nothing is printed.
//!
//! Invariant: no unwinding crosses `extern "C"`. Every function that C or guest code calls and that runs more
//! than a few loads does so inside [`catch`].

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Once, OnceLock};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// A panic was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `body` and catches a panic, silently: the process's panic hook sees panics of other code only.
pub fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Panicked> {
    HOOK.call_once(silence_our_panics);
    let before = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(before);
    result.map_err(|payload| {
        // Dropping the payload could panic again; leaking a few bytes cannot.
        std::mem::forget(payload);
        Panicked
    })
}

/// The host has left a [`catch`] by a jump.
pub fn forget() {
    INSIDE.set(false);
}

/// Runs the host's code inside a [`catch`]: a panic in there is the host's, and its hook reports it.
pub fn outside<R>(body: impl FnOnce() -> R) -> R {
    let before = INSIDE.replace(false);
    let result = body();
    INSIDE.set(before);
    result
}

/// The process's hook before ours. Kept here, not in a closure: boxing a closure that captures nothing takes no memory, so
/// the first call of the library cannot fail for want of it.
static HOST_HOOK: OnceLock<Hook> = OnceLock::new();

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

fn silence_our_panics() {
    // Called once, so the place is empty.
    let _ = HOST_HOOK.set(std::panic::take_hook());
    std::panic::set_hook(Box::new(|panic| {
        let inside = INSIDE.try_with(Cell::get).unwrap_or(false);
        if let Some(host) = HOST_HOOK.get().filter(|_| !inside) {
            host(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_value() {
        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| -> u32 { panic!("inside") }), Err(Panicked));
        assert!(!INSIDE.get());
    }
}
