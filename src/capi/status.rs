//! Statuses: what almost every function answers with. The numbers are never reused.

use crate::error::Status;
use std::ffi::{CStr, c_char};

/// What a function answers: `LUCET_OK`, or why not. `lucet_last_error` has a sentence.
pub type lucet_status = i32;

/// Done.
pub const LUCET_OK: lucet_status = 0;
/// A pointer that must not be NULL is.
pub const LUCET_NULL_ARGUMENT: lucet_status = 1;
/// An argument has a value that makes no sense, or is an object of another kind.
pub const LUCET_BAD_ARGUMENT: lucet_status = 2;
/// `struct_size` or a reserved field of a struct is wrong.
pub const LUCET_BAD_STRUCT: lucet_status = 3;
/// The object is not in a state for this.
pub const LUCET_BAD_STATE: lucet_status = 4;
/// The instance is running.
pub const LUCET_RUNNING: lucet_status = 5;
/// The instance trapped or was terminated, and has not been reset since.
pub const LUCET_NEEDS_RESET: lucet_status = 6;
/// The instance has been released.
pub const LUCET_STALE: lucet_status = 7;
/// The region, or an instance that is linked to, was made by another process: they do not survive fork.
pub const LUCET_WRONG_PROCESS: lucet_status = 8;
/// The system has no memory left.
pub const LUCET_NO_MEMORY: lucet_status = 9;
/// A system call failed.
pub const LUCET_SYSTEM: lucet_status = 10;
/// Every slot of the region is taken.
pub const LUCET_REGION_FULL: lucet_status = 11;
/// More than the region or the limits allow.
pub const LUCET_LIMIT: lucet_status = 12;
/// No such file, export or import.
pub const LUCET_NOT_FOUND: lucet_status = 13;
/// Types differ.
pub const LUCET_TYPE_MISMATCH: lucet_status = 14;
/// The module was loaded without a linker.
pub const LUCET_UNLINKED: lucet_status = 15;
/// Not a module, or a damaged one.
pub const LUCET_BAD_MODULE: lucet_status = 16;
/// The module needs another CPU, library or region.
pub const LUCET_INCOMPATIBLE: lucet_status = 17;
/// Outside of the memory or table.
pub const LUCET_OUT_OF_BOUNDS: lucet_status = 18;
/// Too many nested callbacks, or too little host stack for another one.
pub const LUCET_DEPTH: lucet_status = 19;
/// The signal handlers are not installed, or not any more.
pub const LUCET_NO_SIGNALS: lucet_status = 20;
/// Not in this release.
pub const LUCET_UNSUPPORTED: lucet_status = 21;
/// An internal error was caught, or a region with LUCET_REGION_VERIFY has found a difference. What was worked on should only be released.
pub const LUCET_POISONED: lucet_status = 22;
/// Modules that are linked to the instance need it as it is: see lucet_linker_define_instance.
pub const LUCET_LINKED: lucet_status = 23;

const NAMES: [&CStr; Status::ALL.len()] = [
    c"LUCET_OK",
    c"LUCET_NULL_ARGUMENT",
    c"LUCET_BAD_ARGUMENT",
    c"LUCET_BAD_STRUCT",
    c"LUCET_BAD_STATE",
    c"LUCET_RUNNING",
    c"LUCET_NEEDS_RESET",
    c"LUCET_STALE",
    c"LUCET_WRONG_PROCESS",
    c"LUCET_NO_MEMORY",
    c"LUCET_SYSTEM",
    c"LUCET_REGION_FULL",
    c"LUCET_LIMIT",
    c"LUCET_NOT_FOUND",
    c"LUCET_TYPE_MISMATCH",
    c"LUCET_UNLINKED",
    c"LUCET_BAD_MODULE",
    c"LUCET_INCOMPATIBLE",
    c"LUCET_OUT_OF_BOUNDS",
    c"LUCET_DEPTH",
    c"LUCET_NO_SIGNALS",
    c"LUCET_UNSUPPORTED",
    c"LUCET_POISONED",
    c"LUCET_LINKED",
];

/// The name of a status, as "LUCET_LIMIT", for messages; "unknown status" for other numbers. Static. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn lucet_status_name(status: lucet_status) -> *const c_char {
    let name = usize::try_from(status)
        .ok()
        .and_then(|index| NAMES.get(index));
    name.unwrap_or(&c"unknown status").as_ptr()
}

/// A sentence about the latest failure on this thread: what, where, what was expected. Never NULL; "" before the first
/// failure. The library's; valid until the thread's next failure or end. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn lucet_last_error() -> *const c_char {
    crate::error::last()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants as the header has them, in the order of [`Status::ALL`].
    const CONSTANTS: [lucet_status; Status::ALL.len()] = [
        LUCET_OK,
        LUCET_NULL_ARGUMENT,
        LUCET_BAD_ARGUMENT,
        LUCET_BAD_STRUCT,
        LUCET_BAD_STATE,
        LUCET_RUNNING,
        LUCET_NEEDS_RESET,
        LUCET_STALE,
        LUCET_WRONG_PROCESS,
        LUCET_NO_MEMORY,
        LUCET_SYSTEM,
        LUCET_REGION_FULL,
        LUCET_LIMIT,
        LUCET_NOT_FOUND,
        LUCET_TYPE_MISMATCH,
        LUCET_UNLINKED,
        LUCET_BAD_MODULE,
        LUCET_INCOMPATIBLE,
        LUCET_OUT_OF_BOUNDS,
        LUCET_DEPTH,
        LUCET_NO_SIGNALS,
        LUCET_UNSUPPORTED,
        LUCET_POISONED,
        LUCET_LINKED,
    ];

    #[test]
    fn constants_and_names_are_those_of_the_core() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(CONSTANTS[index], status as lucet_status);
            let bare: String = NAMES[index]
                .to_str()
                .expect("ASCII")
                .replace("LUCET", "")
                .replace('_', "");
            assert_eq!(bare, format!("{status:?}").to_uppercase());
        }
    }
}
