//! What exceptions are to the host: tags, which tell them apart, and the arena that holds those of an instance.
//!
//! A reference to an exception (`exnref`) is a number that only [`Arena`] can make sense of. It holds data of the guest and nothing
//! that a guest could be led to by a wrong number.
//!
//! It does not know how exceptions travel: that is `instance::exception`.

mod arena;

pub use arena::{Arena, Exception};

use crate::counted::{Counted, try_collect};
use crate::error::Result;
use lucet_format::value::ValueType;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A tag of the host's, for exceptions that host and guests throw to each other. Its address is its identity.
pub struct HostTag {
    parameters: Vec<ValueType>,
    handle: AtomicUsize,
}

impl HostTag {
    /// A tag of exceptions that carry these.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn new(parameters: &[ValueType]) -> Result<Counted<HostTag>> {
        let parameters = try_collect(parameters.iter().copied(), "the type of a tag")?;
        Counted::new(HostTag {
            parameters,
            handle: AtomicUsize::new(0),
        })
    }

    /// Notes the address by which the host knows the tag.
    pub fn name_handle(&self, handle: usize) {
        self.handle.store(handle, Ordering::Relaxed);
    }

    /// That address. Not to be followed: the host may have given it back.
    pub fn handle(&self) -> usize {
        self.handle.load(Ordering::Relaxed)
    }

    /// What its exceptions carry.
    pub fn parameters(&self) -> &[ValueType] {
        &self.parameters
    }
}

/// What tells a tag from all others in the process. Tags of guests are new with each instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagId {
    owner: u64,
    index: u32,
}

/// A tag that a module imports.
#[derive(Clone)]
pub struct ImportedTag {
    /// Which one.
    pub id: TagId,
    /// The host's, if it is one of those: kept alive.
    pub host: Option<Counted<HostTag>>,
}

impl ImportedTag {
    /// A tag of the host's.
    pub fn of_host(tag: &Counted<HostTag>) -> ImportedTag {
        ImportedTag {
            id: TagId::of_host(tag),
            host: Some(tag.clone()),
        }
    }
}

impl TagId {
    /// The index that no tag of a guest has.
    const HOST: u32 = u32::MAX;

    /// A tag that an instance defines: by the instance's handle and the tag's index.
    pub fn of_guest(handle: u64, index: u32) -> TagId {
        TagId {
            owner: handle,
            index,
        }
    }

    /// A tag of the host's. It must be kept alive for as long as the answer is used.
    pub fn of_host(tag: &Counted<HostTag>) -> TagId {
        TagId {
            owner: Counted::as_ptr(tag) as u64,
            index: TagId::HOST,
        }
    }

    /// The index of a tag that this instance defines.
    pub fn index_in(self, handle: u64) -> Option<u32> {
        (self.index != TagId::HOST && self.owner == handle).then_some(self.index)
    }

    /// Whether it is this tag of the host's.
    pub fn is_of_host(self, tag: *const HostTag) -> bool {
        self.index == TagId::HOST && self.owner == tag as u64
    }
}
