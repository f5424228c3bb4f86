//! Objects that C holds by pointer: a tag, by which a pointer to something else is told apart, and the value.
//!
//! Telling is best effort: reading through a pointer that is no pointer cannot be made safe. A tag that is gone
//! after the release makes using a dead object a status as long as its memory has not been reused.

use crate::counted::{Counted, try_box};
use crate::error::{Result, Status, error};
use crate::exception::HostTag;
use crate::linker::Linker;
use crate::module::Module;
use crate::region::Region;

/// A kind of object.
pub(super) trait Kind {
    /// What it is inside.
    type Inner;
    /// What tells it from others.
    const TAG: u64;
    /// Its C name.
    const NAME: &'static str;
}

impl Kind for super::linker::lucet_linker {
    type Inner = Linker;
    const TAG: u64 = 0x6b6e_694c_7463_7501;
    const NAME: &'static str = "lucet_linker";
}

impl Kind for super::module::lucet_module {
    type Inner = Counted<Module>;
    const TAG: u64 = 0x646f_4d74_6563_7502;
    const NAME: &'static str = "lucet_module";
}

impl Kind for super::exception::lucet_tag {
    type Inner = Counted<HostTag>;
    const TAG: u64 = 0x6761_5474_6563_7504;
    const NAME: &'static str = "lucet_tag";
}

impl Kind for super::region::lucet_region {
    type Inner = Counted<Region>;
    const TAG: u64 = 0x6765_5274_6563_7503;
    const NAME: &'static str = "lucet_region";
}

#[repr(C)]
struct Object<T> {
    tag: u64,
    value: T,
}

/// An error for a NULL.
#[cold]
pub(super) fn null(what: &str) -> crate::error::Error {
    error!(Status::NullArgument, "{what} is NULL")
}

/// Prepares a result: it is NULL unless and until it is given.
///
/// # Safety
///
/// `out` is NULL or can be written.
pub(super) unsafe fn prepare<K>(out: *mut *mut K, what: &str) -> Result<()> {
    if out.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(std::ptr::null_mut()) };
    Ok(())
}

/// Gives an object to C. `out` has been prepared.
///
/// # Safety
///
/// As [`prepare`].
pub(super) unsafe fn give<K: Kind>(out: *mut *mut K, value: K::Inner) -> Result<()> {
    let object = try_box(Object { tag: K::TAG, value })?;
    // SAFETY: the caller's promise.
    unsafe { out.write(Box::into_raw(object).cast()) };
    Ok(())
}

/// The tag at an address, if there can be one.
///
/// # Safety
///
/// `object` is NULL or points at eight readable bytes.
unsafe fn check<K: Kind>(object: *const K) -> Result<*mut Object<K::Inner>> {
    if object.is_null() {
        return Err(null(K::NAME));
    }
    let object = object.cast_mut().cast::<Object<K::Inner>>();
    // SAFETY: the caller's promise; the alignment is checked first.
    let matches =
        object.is_aligned() && unsafe { (&raw const (*object).tag).read_volatile() } == K::TAG;
    if matches {
        Ok(object)
    } else {
        Err(error!(
            Status::BadArgument,
            "this pointer is not a {}, or it has been released",
            K::NAME
        ))
    }
}

/// What a pointer from C refers to.
///
/// # Safety
///
/// `object` is NULL, or a live object, or points at something else that can be read.
pub(super) unsafe fn get<'a, K: Kind>(object: *const K) -> Result<&'a K::Inner> {
    // SAFETY: the caller's promise; the tag says that the value is there.
    unsafe { check(object).map(|object| &(*object).value) }
}

/// As [`get`], to change it.
///
/// # Safety
///
/// As [`get`]; nobody else uses the object at this time.
pub(super) unsafe fn get_mut<'a, K: Kind>(object: *mut K) -> Result<&'a mut K::Inner> {
    // SAFETY: the caller's promise; the tag says that the value is there.
    unsafe { check(object.cast_const()).map(|object| &mut (*object).value) }
}

/// Ends an object. NULL is none.
///
/// # Safety
///
/// As [`get_mut`]; the caller does not use it again.
pub(super) unsafe fn release<K: Kind>(object: *mut K) -> Result<()> {
    if object.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise; the tag says that `give` made it.
    unsafe {
        let object = check(object.cast_const())?;
        (&raw mut (*object).tag).write_volatile(!K::TAG);
        drop(Box::from_raw(object));
    }
    Ok(())
}
