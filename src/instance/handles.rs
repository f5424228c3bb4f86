//! Objects of the host that a guest knows by number: a table for each instance.
//!
//! ```text
//!   handle (u32)   | generation, 16 bits, never 0 | place in the table, 16 bits |
//! ```
//!
//! Invariants: a number that was given up is not given out again before its place has had 65535 others; a number stands for one object
//! of one kind, told by the kind's address. Every object is released once: when it is dropped, or when the instance is
//! reset or released. The host's functions are called while nothing of the table is borrowed.

use super::{Handle, live};
use crate::abi::lucet_handle_kind;
use crate::error::{Error, Result, Status, error};
use std::cell::Cell;
use std::ffi::c_void;

/// The most objects of an instance at a time.
const MOST: usize = 1 << 16;

#[derive(Clone, Copy)]
struct Entry {
    kind: *const lucet_handle_kind,
    /// NULL: the place is free.
    object: *mut c_void,
    generation: u16,
    /// Of a free place: the next one.
    next: u32,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

/// The objects of an instance. See the file's header.
pub struct Handles {
    /// Taken out while it is used, which is never across a call of the host.
    entries: Cell<Vec<Entry>>,
    free: Cell<u32>,
}

impl Default for Handles {
    fn default() -> Handles {
        Handles {
            entries: Cell::new(Vec::new()),
            free: Cell::new(NOWHERE),
        }
    }
}

impl Handles {
    fn with<R>(&self, body: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
        let mut entries = self.entries.take();
        let result = body(&mut entries);
        self.entries.set(entries);
        result
    }

    fn add(&self, kind: *const lucet_handle_kind, object: *mut c_void) -> Result<u32> {
        self.with(|entries| {
            let place = self.free.get();
            if let Some(entry) = entries.get_mut(place as usize) {
                self.free.set(entry.next);
                (entry.kind, entry.object) = (kind, object);
                return Ok(number(place, entry.generation));
            }
            if entries.len() >= MOST {
                return Err(error!(
                    Status::Limit,
                    "the instance has {MOST} handles, which is the most"
                ));
            }
            entries
                .try_reserve(1)
                .map_err(|_| Error::no_memory("a handle"))?;
            entries.push(Entry {
                kind,
                object,
                generation: 1,
                next: NOWHERE,
            });
            Ok(number(entries.len() as u32 - 1, 1))
        })
    }

    /// The object of a number, if it is one of this kind.
    pub fn object(&self, kind: *const lucet_handle_kind, handle: u32) -> Option<*mut c_void> {
        self.with(|entries| Some(find(entries, kind, handle)?.object))
    }

    /// The object of a number, which stands for nothing any more.
    fn take(&self, kind: *const lucet_handle_kind, handle: u32) -> Option<*mut c_void> {
        self.with(|entries| {
            let entry = find(entries, kind, handle)?;
            let object = std::mem::replace(&mut entry.object, std::ptr::null_mut());
            entry.generation = entry.generation.checked_add(1).unwrap_or(1);
            entry.next = self.free.replace(handle & 0xffff);
            Some(object)
        })
    }

    /// Releases all objects.
    pub(super) fn clear(&self) {
        let entries = self.entries.take();
        self.free.set(NOWHERE);
        for entry in entries.iter().filter(|entry| !entry.object.is_null()) {
            release(entry.kind, entry.object);
        }
    }
}

fn number(place: u32, generation: u16) -> u32 {
    u32::from(generation) << 16 | place
}

fn find(entries: &mut [Entry], kind: *const lucet_handle_kind, handle: u32) -> Option<&mut Entry> {
    let entry = entries.get_mut((handle & 0xffff) as usize)?;
    let same = u32::from(entry.generation) == handle >> 16 && entry.kind == kind;
    (same && !entry.object.is_null()).then_some(entry)
}

fn release(kind: *const lucet_handle_kind, object: *mut c_void) {
    // SAFETY: the host has promised that kinds outlive the objects made of them.
    let release = unsafe { (*kind).release };
    if let Some(release) = release {
        // SAFETY: the host's function for objects of this kind; each is released once.
        crate::guard::outside(|| unsafe { release(object) });
    }
}

#[cold]
fn unknown(handle: u32) -> Error {
    error!(
        Status::NotFound,
        "{handle:#x} is not a handle of this kind that the instance has"
    )
}

/// Makes a handle for an object.
///
/// # Errors
///
/// `Limit`, `NoMemory`, `Stale`, `WrongProcess`.
pub fn new(handle: Handle, kind: *const lucet_handle_kind, object: *mut c_void) -> Result<u32> {
    live(handle)?.1.handles.add(kind, object)
}

/// The object of a handle.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn get(handle: Handle, kind: *const lucet_handle_kind, number: u32) -> Result<*mut c_void> {
    let object = live(handle)?.1.handles.object(kind, number);
    object.ok_or_else(|| unknown(number))
}

/// The object of a handle, which ends without a release.
///
/// # Errors
///
/// As [`get`].
pub fn take(handle: Handle, kind: *const lucet_handle_kind, number: u32) -> Result<*mut c_void> {
    let object = live(handle)?.1.handles.take(kind, number);
    object.ok_or_else(|| unknown(number))
}

/// Ends a handle and releases its object.
///
/// # Errors
///
/// As [`get`].
pub fn discard(handle: Handle, kind: *const lucet_handle_kind, number: u32) -> Result<()> {
    release(kind, take(handle, kind, number)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: lucet_handle_kind = lucet_handle_kind {
        name: c"thing".as_ptr(),
        release: None,
    };

    #[test]
    fn numbers_of_the_past_stand_for_nothing() {
        let handles = Handles::default();
        let known = KIND;
        let (kind, other) = (&raw const known, std::ptr::dangling());
        let object = std::ptr::dangling_mut::<u64>().cast();
        let first = handles.add(kind, object).expect("room");
        assert_eq!(handles.object(kind, first), Some(object));
        assert_eq!(handles.object(other, first), None, "another kind");
        assert_eq!(handles.take(kind, first), Some(object));
        assert_eq!(handles.take(kind, first), None);
        let second = handles.add(kind, object).expect("room");
        assert_ne!(first, second);
        assert_eq!(first & 0xffff, second & 0xffff, "the place is used again");
        for bad in [0, first, second + 1, second ^ 0x1_0000, u32::MAX] {
            assert_eq!(handles.object(kind, bad), None, "{bad:#x}");
        }
        for _ in 1..MOST {
            handles.add(kind, object).expect("room");
        }
        assert_eq!(
            handles.add(kind, object).expect_err("full").status,
            Status::Limit
        );
        handles.clear();
        assert_eq!(handles.object(kind, second), None);
    }
}
