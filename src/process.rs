//! Which process this is, in a way that notices a fork.
//!
//! A page with `MADV_WIPEONFORK` holds a token: after a fork the child reads zeros there, so everything that
//! remembers the parent's token is recognisably the parent's. Looking costs one load and no system call.

use crate::error::Result;
use crate::mapping::{Access, Mapping};
use lucet_format::PAGE_SIZE;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub(crate) static PAGE: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicU64 = AtomicU64::new(1);
static MAKING: Mutex<()> = Mutex::new(());

fn word() -> Option<&'static AtomicU64> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: a nonzero address is that of a page which is never unmapped and used as one atomic word.
    (page != 0).then(|| unsafe { &*(page as *const AtomicU64) })
}

/// The token of this process; 0 before [`token`] has been called in it.
pub fn current() -> u64 {
    word().map_or(0, |word| word.load(Ordering::Acquire))
}

/// The token of this process, made if need be. Never 0.
///
/// # Errors
///
/// `NoMemory`, or `System` on a kernel without `MADV_WIPEONFORK` (before 4.14).
pub fn token() -> Result<u64> {
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let word = match word() {
        Some(word) => word,
        None => make_page()?,
    };
    if word.load(Ordering::Acquire) == 0 {
        // The counter is copied by fork, so parent and child may count to the same number: the process id tells them apart.
        let process = u64::from(std::process::id());
        word.store(
            process << 32 | NEXT.fetch_add(1, Ordering::Relaxed),
            Ordering::Release,
        );
    }
    Ok(word.load(Ordering::Acquire))
}

fn make_page() -> Result<&'static AtomicU64> {
    let page = PAGE_SIZE as usize;
    let mapping = Mapping::reserve(page, page)?;
    mapping.protect(0, page, Access::ReadWrite)?;
    mapping.wipe_on_fork()?;
    PAGE.store(mapping.base(), Ordering::Release);
    std::mem::forget(mapping);
    // SAFETY: the page was just made, is writable, and stays for the life of the process.
    Ok(unsafe { &*(PAGE.load(Ordering::Acquire) as *const AtomicU64) })
}
