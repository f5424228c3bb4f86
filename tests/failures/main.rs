//! What happens when the system has nothing left.

#[path = "../support/own_process.rs"]
mod own_process;
#[path = "../support/syscalls.rs"]
mod syscalls;

mod allocations;
mod calls;
mod linking;
