//! `liblucet`: regions of recyclable instances that run modules compiled by `lucetc`.
//!
//! C programs use it through `lucet.h`, whose functions are in [`capi`]. The rest of the crate is its inside:
//!
//! ```text
//!   capi        one file per noun of lucet.h; nothing below imports it
//!   instance    an instance's operations: start, run, memory, tables, globals, outcome, reset
//!   host, linker, module, region    what instances are made of
//!   context     the assembly that changes stacks          signal    what happens on a fault
//!   control, directory              the control block of a slot, and how a handle finds it
//!   mapping, counted, error, abi    system memory, shared ownership, failures, C-visible structs
//! ```

pub mod abi;
pub mod control;
pub mod counted;
pub mod error;
pub mod linker;
pub mod mapping;
pub mod module;
pub mod region;
pub mod instance;
pub mod signal;
