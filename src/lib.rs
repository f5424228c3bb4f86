//! `liblucet`: regions of recyclable instances that run modules compiled by `lucetc`.
//!
//! C programs use it through `lucet.h`, whose functions are in [`capi`]. The rest of the crate is its inside:
//!
//! ```text
//!   capi        one file per noun of lucet.h; nothing below imports it
//!   instance    an instance's operations: start, run, memory, tables, globals, outcome, reset
//!   call, typed, helpers, arguments    the three ways across: host calls, typed entries, runtime helpers
//!   checks, checked                    what arguments of host functions mean: planned when defined, checked when called
//!   linker, module, region             what instances are made of
//!   context     the assembly that changes stacks
//!   signal, thread                     what happens on a fault, and what a thread needs for it
//!   running, timing                    threads that run guests, and what time they may take
//!   control, directory, process, hot   the control block of a slot, how a handle finds it, whose process it is, which pages
//!                                      of its memory are written
//!   wasi        host functions for what a wasm32-wasi guest calls while it starts
//!   poison      a debug mode: what host functions look at is over with their call
//!   mapping, counted, lanes, error, local, guard, text, abi    system memory, shared ownership, what threads have each a place of,
//!                                      failures, a record for each thread, panics, lines, C's structs
//! ```

pub mod abi;
mod arguments;
pub mod bridge;
pub mod call;
pub mod capi;
mod checked;
pub mod checks;
mod clear;
pub mod context;
pub mod control;
pub mod counted;
mod directory;
pub mod error;
pub mod exception;
pub mod guard;
mod helpers;
mod hot;
pub mod instance;
mod lanes;
pub mod linker;
pub mod linking;
mod local;
mod mapping;
pub mod module;
mod poison;
mod process;
pub mod region;
pub mod running;
pub mod signal;
mod text;
pub mod thread;
pub mod timing;
mod typed;
mod utf8;
pub mod wasi;
mod word_of_thread;
