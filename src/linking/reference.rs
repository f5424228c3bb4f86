//! References to functions, as they go from one instance to another.
//!
//! ```text
//!   in the instance whose function it is    number of its module, below 2^20       0 is null
//!   everywhere else                         identity of that instance * 2^20 + number
//! ```
//!
//! Identities are given when a reference leaves its instance for the first time, never twice, and taken back when the instance is reset or
//! released: what refers to it then refers to nothing, and a call of it traps.

use super::add;
use crate::control::ControlBlock;
use crate::directory;
use crate::error::{Result, Status, error};
use lucet_format::vmctx::FIRST_FOREIGN;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};

/// Identities that can be written in front of a number.
const MOST: u64 = u64::MAX / FIRST_FOREIGN;

struct Identities {
    /// Identities and handles, ascending.
    given: Vec<(u64, u64)>,
    last: u64,
}

impl Identities {
    fn place(&self, identity: u64) -> Option<usize> {
        let found = self
            .given
            .binary_search_by_key(&identity, |(given, _)| *given);
        found.ok()
    }
}

static IDENTITIES: RwLock<Identities> = RwLock::new(Identities {
    given: Vec::new(),
    last: 0,
});

/// The identity of an instance.
fn identity(block: &ControlBlock) -> Result<u64> {
    let known = block.identity.get();
    if known != 0 {
        return Ok(known);
    }
    let mut identities = IDENTITIES.write().unwrap_or_else(PoisonError::into_inner);
    let next = identities.last + 1;
    if next > MOST {
        return Err(error!(
            Status::Limit,
            "{MOST} instances of this process have given references away"
        ));
    }
    let handle = block.handle.load(Ordering::Relaxed);
    add(&mut identities.given, (next, handle))?;
    identities.last = next;
    block.identity.set(next);
    Ok(next)
}

/// An instance is reset or released: references to its functions are void.
pub fn forget(block: &ControlBlock) {
    let identity = block.identity.replace(0);
    if identity != 0 {
        let mut identities = IDENTITIES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = identities.place(identity) {
            identities.given.remove(place);
        }
    }
}

/// A reference as every other instance has it.
///
/// # Errors
///
/// `Limit`, `NoMemory`.
pub fn abroad(reference: u64, from: &ControlBlock) -> Result<u64> {
    if reference == 0 || reference >= FIRST_FOREIGN {
        return Ok(reference);
    }
    Ok(identity(from)? * FIRST_FOREIGN + reference)
}

/// A reference that `from` has, as `to` has it.
///
/// # Errors
///
/// `Limit`, `NoMemory`.
pub fn carry(reference: u64, from: &ControlBlock, to: &ControlBlock) -> Result<u64> {
    if std::ptr::eq(from, to) {
        return Ok(reference);
    }
    let abroad = abroad(reference, from)?;
    let identity = to.identity.get();
    let own = identity != 0 && abroad / FIRST_FOREIGN == identity;
    Ok(if own { abroad % FIRST_FOREIGN } else { abroad })
}

/// The instance whose function a reference abroad is to, and its number there; `None`: of no instance that there is.
pub fn find(reference: u64) -> Option<(&'static ControlBlock, u64)> {
    let identities = IDENTITIES.read().unwrap_or_else(PoisonError::into_inner);
    let place = identities.place(reference / FIRST_FOREIGN)?;
    let (_, handle) = *identities.given.get(place)?;
    drop(identities);
    Some((directory::resolve(handle)?, reference % FIRST_FOREIGN))
}

/// Whether a reference may be one of another instance's functions.
pub fn is_foreign(reference: u64) -> bool {
    reference >= FIRST_FOREIGN
}
