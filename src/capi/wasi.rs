//! What a guest for wasm32-wasi needs to start.

use super::guard::guarded;
use super::linker::lucet_linker;
use super::object::get_mut;
use super::status::lucet_status;
use super::structs::{Extensible, array, read_optional, text};
use crate::counted::try_collect;
use crate::error::{Error, Result};
use crate::wasi;
use std::ffi::c_char;

/// What WASI guests find as arguments and environment. Start from lucet_wasi_options_default().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_wasi_options {
    /// sizeof(lucet_wasi_options)
    pub struct_size: usize,
    /// The arguments, the program's name first.
    pub arguments: *const *const c_char,
    /// How many.
    pub argument_count: usize,
    /// The environment, each "NAME=value".
    pub environment: *const *const c_char,
    /// How many.
    pub environment_count: usize,
    /// 0.
    pub reserved: [u64; 4],
}

// SAFETY: a C struct with `struct_size` first, of integers and pointers.
unsafe impl Extensible for lucet_wasi_options {
    const NAME: &'static str = "lucet_wasi_options";
    fn reserved_is_zero(&self) -> bool {
        self.reserved == [0; 4]
    }
}

/// Defines the functions of wasi_snapshot_preview1, so that guests from a stock clang or rustc for wasm32-wasi load and start:
/// arguments, environment, clocks (in steps of a microsecond), random bytes; what they write to descriptors 1 and 2 goes to the
/// region's log, level LUCET_LOG_GUEST; proc_exit ends the guest with LUCET_TERMINATED, LUCET_STOP_EXIT, its status being the token.
/// Everything else answers ENOSYS: there are no files and no sockets. A bad pointer answers EFAULT.
/// A function of the same name that the host has defined before stays the host's.
/// `options` may be NULL; its texts are copied. Errors: NULL_ARGUMENT; BAD_STRUCT; NO_MEMORY: nothing is added. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define_wasi_stub(
    linker: *mut lucet_linker,
    options: *const lucet_wasi_options,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let (mut arguments, mut environment) = (Vec::new(), Vec::new());
        if let Some(options) = read_optional(options)? {
            arguments = texts(options.arguments, options.argument_count, "arguments")?;
            environment = texts(
                options.environment,
                options.environment_count,
                "environment",
            )?;
        }
        wasi::define(linker, arguments, environment)
    })
}

/// Copies of C strings, with their NUL.
///
/// # Safety
///
/// An array of C strings.
unsafe fn texts(first: *const *const c_char, count: usize, what: &str) -> Result<Vec<Vec<u8>>> {
    let mut copies = Vec::new();
    // SAFETY: the caller's promise.
    for pointer in unsafe { array(first, count, what) }? {
        // SAFETY: the caller's promise.
        let bytes = unsafe { text(*pointer, what) }?.to_bytes_with_nul();
        copies.try_reserve(1).map_err(|_| Error::no_memory(what))?;
        copies.push(try_collect(bytes.iter().copied(), what)?);
    }
    Ok(copies)
}
