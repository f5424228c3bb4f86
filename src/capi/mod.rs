//! The C API: one file a noun, in the reading order of `lucet.h`, which is generated from them.
//!
//! Every function here does three things and no more: turn what C passed into what the core wants, checking all that
//! can be checked; call the core inside [`guard::guarded`]; hand the answer back. Nothing below `src/capi` imports it.
//!
//! Rules that hold for all of them, and that the header states at its top:
//! * a failure is a status, and a sentence from `lucet_last_error` on the same thread;
//! * a pointer that must not be NULL and is, is `LUCET_NULL_ARGUMENT`; an object of another kind is
//!   `LUCET_BAD_ARGUMENT` where it can be told;
//! * when a function that makes something fails, its result is NULL; other results are not touched.

#![allow(non_camel_case_types, reason = "the names are those of the C API")]
#![allow(
    clippy::missing_safety_doc,
    reason = "each comment is the contract for C, which is the safety contract"
)]

mod guard;
mod object;
mod structs;

pub mod status;

pub mod types;

pub mod library;

pub mod linker;

pub mod call;

pub mod exception;

pub mod module;

pub mod describe;

pub mod region;

pub mod instance;

pub mod run;

pub mod kill;

pub mod memory;

pub mod global;

pub mod table;

pub mod handles;

pub mod process;

pub mod wasi;
