//! What C passes by pointer: texts, arrays, and structs that can grow.
//!
//! Such a struct begins with `struct_size`, which the caller sets to the size that it was compiled with. A shorter one
//! than ours comes from a program built against an older header: the fields that it lacks are zero, which is each
//! field's "default" or "none". A longer one comes from a newer header: what we do not know must be zero.

use super::object::null;
use crate::error::{Result, Status, error};
use std::ffi::{CStr, c_char};

/// A struct that begins with `struct_size`, and for which all-zero bytes are a value.
///
/// # Safety
///
/// `repr(C)`, its first field is `struct_size: usize`, all-zero bytes are a valid value, and so is any content of C.
pub(super) unsafe trait Extensible: Copy {
    /// Its C name.
    const NAME: &'static str;
    /// Its size in version 0.1.
    const FIRST_SIZE: usize = size_of::<Self>();
    /// Whether its reserved fields are zero.
    fn reserved_is_zero(&self) -> bool;
}

fn check_size(name: &str, given: usize, least: usize) -> Result<()> {
    const MOST: usize = 4096;
    if (least..=MOST).contains(&given) {
        return Ok(());
    }
    Err(error!(
        Status::BadStruct,
        "{name}.struct_size is {given}, expected at least {least}: start from the struct's default in lucet/typed.h"
    ))
}

/// Reads a struct.
///
/// # Safety
///
/// `from` is NULL or points at as many bytes as its first field says.
pub(super) unsafe fn read<T: Extensible>(from: *const T) -> Result<T> {
    if from.is_null() {
        return Err(null(T::NAME));
    }
    // SAFETY: the caller's promise: at least the first field is there.
    let given = unsafe { from.cast::<usize>().read_unaligned() };
    check_size(T::NAME, given, T::FIRST_SIZE)?;
    let known = given.min(size_of::<T>());
    // SAFETY: all-zero bytes are a value of `T`.
    let mut copy: T = unsafe { std::mem::zeroed() };
    // SAFETY: `known` bytes are there on both sides.
    unsafe {
        (&raw mut copy)
            .cast::<u8>()
            .copy_from_nonoverlapping(from.cast::<u8>(), known)
    };
    // SAFETY: the caller's promise: `given` bytes can be read.
    let unknown =
        unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(known), given - known) };
    if unknown.iter().any(|byte| *byte != 0) {
        return Err(error!(
            Status::BadStruct,
            "{} uses fields that this library does not know",
            T::NAME
        ));
    }
    if !copy.reserved_is_zero() {
        return Err(error!(
            Status::BadStruct,
            "a reserved field of {} is not zero",
            T::NAME
        ));
    }
    Ok(copy)
}

/// Reads a struct that may be left out.
///
/// # Safety
///
/// As [`read`].
pub(super) unsafe fn read_optional<T: Extensible>(from: *const T) -> Result<Option<T>> {
    if from.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { read(from) }.map(Some)
}

/// Fills a struct of the caller's, as much of it as the caller knows; `struct_size` stays as it is.
///
/// # Safety
///
/// `to` is NULL or points at as many writable bytes as its first field says.
pub(super) unsafe fn fill<T: Extensible>(to: *mut T, value: &T) -> Result<()> {
    if to.is_null() {
        return Err(null(T::NAME));
    }
    // SAFETY: the caller's promise: at least the first field is there.
    let given = unsafe { to.cast::<usize>().read_unaligned() };
    check_size(T::NAME, given, T::FIRST_SIZE)?;
    let head = size_of::<usize>();
    let known = given.min(size_of::<T>()) - head;
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: both structs have `head + known` bytes.
    unsafe {
        to.cast::<u8>()
            .add(head)
            .copy_from_nonoverlapping(from.add(head), known)
    };
    Ok(())
}

/// A text of C.
///
/// # Safety
///
/// `text` is NULL, or a C string that outlives the call.
pub(super) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// An array of C: NULL is allowed when it is empty.
///
/// # Safety
///
/// `first` points at `count` elements that outlive the call.
pub(super) unsafe fn array<'a, T>(first: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(null(what));
    }
    if !first.is_aligned() || count > (isize::MAX as usize) / size_of::<T>().max(1) {
        return Err(error!(
            Status::BadArgument,
            "{what}: this is no array of {count} elements"
        ));
    }
    // SAFETY: the caller's promise, as far as it could be checked.
    Ok(unsafe { std::slice::from_raw_parts(first, count) })
}

/// Writes a result that must be wanted.
///
/// # Safety
///
/// `to` is NULL or can be written.
pub(super) unsafe fn put<T>(to: *mut T, value: T, what: &str) -> Result<()> {
    if to.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    unsafe { to.write(value) };
    Ok(())
}
