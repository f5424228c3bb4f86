//! Exceptions: tags of the host's, throwing from host functions, and looking at what nobody has caught.

use super::guard::guarded;
use super::instance::{handle, lucet_instance};
use super::linker::{lucet_linker, value_types};
use super::object::{get, get_mut, give, prepare, release};
use super::run::values_in;
use super::status::lucet_status;
use super::structs::{Extensible, array, fill, text};
use super::types::lucet_type;
use crate::abi::{lucet_call, lucet_value};
use crate::call::throw;
use crate::counted::Counted;
use crate::exception::HostTag;
use crate::instance::uncaught::{Uncaught, uncaught};
use crate::linker::Definition;
use std::ffi::c_char;

/// A tag of exceptions that host and guests throw to each other. Two tags are different even if their types are equal. Any thread may use it.
pub struct lucet_tag {
    _private: [u8; 0],
}

/// An exception that nobody has caught. Start from zero bytes and `struct_size`; in C `lucet_exception exception = {.struct_size = sizeof exception};`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_exception {
    /// sizeof(lucet_exception)
    pub struct_size: usize,
    /// The tag, if it is one of the host's: what lucet_tag_new gave. For comparing; it may have been released. NULL: the guest's own.
    pub tag: *const lucet_tag,
    /// The tag's name as an export of the guest's module, or else as an import: bytes of its own, not terminated. NULL: it has none.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_length: usize,
    /// The tag's index in the module's index space of tags.
    pub index: u32,
    /// 0.
    pub reserved0: u32,
    /// What it carries: the instance's until its next entry, reset or release, or the next call of this function.
    pub values: *const lucet_value,
    /// How many.
    pub value_count: usize,
    /// 0.
    pub reserved: [u64; 2],
}

// SAFETY: a C struct with `struct_size` first, of integers and pointers.
unsafe impl Extensible for lucet_exception {
    const NAME: &'static str = "lucet_exception";
    fn reserved_is_zero(&self) -> bool {
        true
    }
}

/// Makes a tag of exceptions that carry values of these types.
/// Owner: the caller, who releases it. Errors: NULL_ARGUMENT; BAD_ARGUMENT: a type is none; NO_MEMORY. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_tag_new(
    parameters: *const lucet_type,
    count: usize,
    out_tag: *mut *mut lucet_tag,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_tag, "out_tag")?;
        let parameters = value_types(array(parameters, count, "parameters")?)?;
        let tag = HostTag::new(&parameters)?;
        give(out_tag, tag.clone())?;
        tag.name_handle(out_tag.read() as usize);
        Ok(())
    })
}

/// Ends a tag. Linkers and modules that use it keep what they need of it. NULL is allowed. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_tag_release(tag: *mut lucet_tag) {
    // SAFETY: the C contract of this function.
    let _ = guarded(|| unsafe { release(tag) });
}

/// Defines a tag that guests can import.
/// Errors: NULL_ARGUMENT; BAD_ARGUMENT: the name is taken; NO_MEMORY. One thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_linker_define_tag(
    linker: *mut lucet_linker,
    module: *const c_char,
    name: *const c_char,
    tag: *const lucet_tag,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let linker = get_mut(linker)?;
        let (module, name) = (
            text(module, "module")?.to_bytes(),
            text(name, "name")?.to_bytes(),
        );
        linker.define(module, name, Definition::Tag(get(tag)?.clone()))
    })
}

/// Throws an exception when the host function returns; what that returns is not used then. The guest goes on in the handler, if
/// one between here and the entry catches it; else it ends with LUCET_TRAP_EXCEPTION. An exception does not cross a host function: in a
/// callback, one that nobody catches ends the callback, see lucet_call_rethrow.
/// `tag` is one that the guest's module imports; see lucet_call_throw_export for others.
/// Errors: NULL_ARGUMENT; BAD_ARGUMENT: it does not import it, or a reference is not the instance's; TYPE_MISMATCH: the values; BAD_STATE: in
/// a leaf, or when the guest's end, suspension or an exception has been asked for; LIMIT: too many exceptions, the guest ends with
/// LUCET_TRAP_EXCEPTIONS. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_throw(
    call: *mut lucet_call,
    tag: *const lucet_tag,
    values: *const lucet_value,
    count: usize,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe { throw::throw(call, Counted::as_ptr(get(tag)?), values_in(values, count)?) })
}

/// As lucet_call_throw, with a tag that the guest's module exports.
/// Errors: also NOT_FOUND: it exports no such tag. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_throw_export(
    call: *mut lucet_call,
    name: *const c_char,
    values: *const lucet_value,
    count: usize,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let name = text(name, "name")?.to_bytes();
        throw::throw_export(call, name, values_in(values, count)?)
    })
}

/// Throws the exception again that has just ended a callback, as if it had come through the host function. Instead of
/// lucet_instance_keep.
/// Errors: NULL_ARGUMENT; BAD_STATE: no callback has just ended with an exception. The host function's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_call_rethrow(call: *mut lucet_call) -> lucet_status {
    guarded(|| throw::rethrow(call))
}

/// The exception that the latest entry has ended with: LUCET_TRAPPED with LUCET_TRAP_EXCEPTION. Also in a host function, for a
/// callback. `out_exception->struct_size` is set by the caller.
/// Errors: NULL_ARGUMENT, BAD_STRUCT; NOT_FOUND: it has ended otherwise; STALE, WRONG_PROCESS, NO_MEMORY. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_exception(
    instance: *const lucet_instance,
    out_exception: *mut lucet_exception,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let found = uncaught(handle(instance)?)?;
        fill(out_exception, &to_c(&found))
    })
}

fn to_c(found: &Uncaught<'_>) -> lucet_exception {
    let tag = found.host_tag.map_or(0, HostTag::handle);
    lucet_exception {
        struct_size: 0,
        tag: tag as *const lucet_tag,
        name: found
            .name
            .map_or(std::ptr::null(), |name| name.as_ptr().cast()),
        name_length: found.name.map_or(0, str::len),
        index: found.index,
        reserved0: 0,
        values: found.values.0,
        value_count: found.values.1,
        reserved: [0; 2],
    }
}
