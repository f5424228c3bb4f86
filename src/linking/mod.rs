//! What instances have of each other: the plain facts of links between them, below everything that knows what an instance is.
//!
//! ```text
//!   importer's module (linked) ---- Pin ----> provider            cannot be reset or released meanwhile
//!            |
//!            +---- Shared: Owner of each imported memory, table and global of references
//!            +---- Bridge of each imported function: the provider's handle, the function's index
//! ```
//!
//! Invariants: an [`Owner`] is used only while a [`Pin`] holds it, or one that it has itself; memories and tables have one owner,
//! the instance that defines them, however often they are handed on. One thread at a time uses a group of linked instances.
//!
//! It does not run anything: that is [`crate::bridge`]. What an instance offers is listed by `instance::offer`.

mod offer;
pub mod reference;

pub use offer::{Bounds, Offer, Offered, Place};

use crate::control::ControlBlock;
use crate::directory;
use crate::error::{Error, Result, Status, error};
use crate::process;
use std::sync::atomic::Ordering;

/// The instance that defines something, and the index that it has there.
#[derive(Clone, Copy)]
pub struct Owner {
    /// The instance.
    pub block: &'static ControlBlock,
    /// The index.
    pub index: u32,
}

/// A count that keeps an instance as it is: neither reset nor released.
pub struct Pin(&'static ControlBlock);

impl Pin {
    /// Keeps the instance with this handle.
    ///
    /// # Errors
    ///
    /// `Stale`, `WrongProcess`.
    pub fn new(handle: u64) -> Result<Pin> {
        let block = directory::resolve(handle).ok_or_else(|| {
            error!(
                Status::Stale,
                "an instance that the linker offers has been released"
            )
        })?;
        check_process(block)?;
        block.pins.fetch_add(1, Ordering::AcqRel);
        Ok(Pin(block))
    }

    /// The instance.
    pub fn block(&self) -> &'static ControlBlock {
        self.0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::AcqRel);
    }
}

/// That the instance is one of this process: what others have is not mapped in their children.
fn check_process(block: &ControlBlock) -> Result<()> {
    if block.process.load(Ordering::Relaxed) == process::current() {
        return Ok(());
    }
    Err(error!(
        Status::WrongProcess,
        "an instance that is linked to was made by another process: instances do not survive fork, make one in the child"
    ))
}

/// That no linked module needs the instance as it is.
///
/// # Errors
///
/// `Linked`.
pub fn check_unpinned(block: &ControlBlock) -> Result<()> {
    match block.pins.load(Ordering::Acquire) {
        0 => Ok(()),
        count => Err(error!(
            Status::Linked,
            "{count} linked modules import from the instance: release them and their instances first"
        )),
    }
}

/// An imported function of another instance.
pub struct Bridge {
    /// The instance.
    pub block: &'static ControlBlock,
    /// The function's index there.
    pub function: u32,
}

/// What a linked module has of other instances.
#[derive(Default)]
pub struct Shared {
    /// The imported memories, by their index.
    pub memories: Vec<Owner>,
    /// The imported tables, by their index.
    pub tables: Vec<Owner>,
    /// Whose the imported globals are, by their index; `None`: the host's.
    pub globals: Vec<Option<&'static ControlBlock>>,
    pins: Vec<Pin>,
}

impl Shared {
    /// Whether it has anything.
    pub fn is_any(&self) -> bool {
        !self.pins.is_empty()
    }

    /// That there is nothing of another process. Of one instance or of all: each was of the process that has linked the module.
    ///
    /// # Errors
    ///
    /// `WrongProcess`.
    pub fn check_process(&self) -> Result<()> {
        self.pins
            .first()
            .map_or(Ok(()), |pin| check_process(pin.block()))
    }

    /// Keeps an instance for as long as this lives.
    ///
    /// # Errors
    ///
    /// `Stale`, `WrongProcess`, `NoMemory`.
    pub fn keep(&mut self, handle: u64) -> Result<&'static ControlBlock> {
        let known = |pin: &&Pin| pin.0.handle.load(Ordering::Relaxed) == handle;
        if let Some(pin) = self.pins.iter().find(known) {
            return Ok(pin.block());
        }
        add(&mut self.pins, Pin::new(handle)?)
            .map(|()| self.pins.last().map(Pin::block))?
            .ok_or_else(|| Error::no_memory("links between instances"))
    }
}

/// Appends to a list of links.
///
/// # Errors
///
/// `NoMemory`.
pub fn add<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    list.try_reserve(1)
        .map_err(|_| Error::no_memory("links between instances"))?;
    list.push(item);
    Ok(())
}
