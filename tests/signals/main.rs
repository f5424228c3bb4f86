//! What happens to signals: installing, forwarding to the host, preparing threads, and guests' faults.
//!
//! Actions of signals belong to the process, so each test runs in a process of its own: the test starts this program again
//! with its own name, and looks at how that ended. See [`support`].

#![allow(
    clippy::print_stderr,
    reason = "what a failed child process said helps the reader of a test log"
)]

mod forward;
mod install;
mod support;
mod thread;
