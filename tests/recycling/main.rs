//! A reset instance, and a new one in a used slot, equal a fresh one, whatever happened before and under whatever conditions of the
//! system. `docs/recycling.md` says which guarantee each test is about.

#[path = "../support/own_process.rs"]
mod own_process;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/syscalls.rs"]
mod syscalls;

mod advisories;
mod canaries;
mod conditions;
mod cycles;
mod memory;
mod others;
mod processes;
mod quiet;
mod refusals;
mod state;
