//! The page behind a module's text that holds the addresses of the runtime's entry points: the runtime table.
//!
//! What it holds is the same for all modules whose tables have the same place in it and that all use vector registers, or all do not:
//! so there is one page of each kind for the process, which is mapped once more for each module, by one system call. A module with its
//! table elsewhere, which `lucetc` does not make, gets a page of its own; so do all where the kernel or a tool does not know the calls.
//!
//! Invariants: a page is never writable again once a module has it. One that modules share is shared with children of the process, too, so
//! the kernel holds it in a file that is sealed: no process can make it writable. No descriptor is kept.

use crate::context;
use crate::error::{Error, Result};
use crate::mapping::{Access, Mapping, memory_file, seal_shared_file, write_at};
use lucet_format::PAGE_SIZE;
use std::os::fd::AsFd;
use std::sync::OnceLock;

const PAGE: usize = PAGE_SIZE as usize;

/// A page for all modules of one kind.
struct Shared {
    page: Mapping,
    /// Where in the page the table is.
    place: usize,
}

/// Without and with vectors.
static SHARED: [OnceLock<Option<Shared>>; 2] = [OnceLock::new(), OnceLock::new()];

/// Puts the page with the table into a module's mapping, at `at`. The table is at `place` in the page, 8-aligned and with room for its
/// entries.
///
/// # Errors
///
/// `NoMemory`, `System`.
pub(super) fn map(mapping: &Mapping, at: usize, place: usize, vectors: bool) -> Result<()> {
    match Shared::get(place, vectors) {
        Some(shared) => mapping.map_again(at, &shared.page),
        None => map_own(mapping, at, place, vectors),
    }
}

impl Shared {
    /// The page of this kind. `None`: there is none.
    fn get(place: usize, vectors: bool) -> Option<&'static Shared> {
        let kept = &SHARED[usize::from(vectors)];
        // Made outside of the cell, so that a process that is forked meanwhile finds nobody at work in it.
        let kept = match kept.get() {
            Some(known) => known,
            None => {
                let made = Shared::new(place, vectors).ok();
                kept.get_or_init(|| made)
            }
        };
        kept.as_ref().filter(|shared| shared.place == place)
    }

    fn new(place: usize, vectors: bool) -> Result<Shared> {
        let file = memory_file(c"lucet-runtime", PAGE)?;
        let table = context::runtime_table(vectors).map(usize::to_ne_bytes);
        let failed = |()| Error::system("writing the runtime table");
        write_at(file.as_fd(), place as u64, table.as_flattened()).map_err(failed)?;
        seal_shared_file(file.as_fd())?;
        let page = Mapping::of_shared_file(file.as_fd(), PAGE)?;
        // Where this works it works again, but for want of memory.
        Mapping::of_zeros(PAGE)?.map_again(0, &page)?;
        Ok(Shared { page, place })
    }
}

/// A page of the module's own.
fn map_own(mapping: &Mapping, at: usize, place: usize, vectors: bool) -> Result<()> {
    // Children of this process use the module as it does, so the page is theirs, too.
    mapping.map_zeros(at, PAGE, Access::ReadWrite)?;
    let addresses = context::runtime_table(vectors);
    let table = mapping.base() + at + place;
    // SAFETY: the table lies in the page, as the caller promises, which is ours and writable.
    unsafe { (table as *mut usize).copy_from_nonoverlapping(addresses.as_ptr(), addresses.len()) };
    mapping.protect(at, PAGE, Access::Read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn holds(place: usize, vectors: bool, put: impl Fn(&Mapping)) {
        let mapping = Mapping::reserve(3 * PAGE, PAGE).expect("address space");
        put(&mapping);
        let wanted = context::runtime_table(vectors);
        for (entry, address) in wanted.iter().enumerate() {
            let at = mapping.base() + PAGE + place + 8 * entry;
            // SAFETY: `put` has made the page readable.
            assert_eq!(unsafe { *(at as *const usize) }, *address);
        }
        // Nobody can write there: the kernel refuses as well.
        let into = (mapping.base() + PAGE + place) as *mut libc::c_void;
        let zeros = std::fs::File::open("/dev/zero").expect("there is one");
        // SAFETY: the kernel writes into the page, or answers that it cannot.
        assert_eq!(unsafe { libc::read(zeros.as_raw_fd(), into, 8) }, -1);
    }

    #[test]
    fn tables_are_where_they_should_be() {
        let last = PAGE - size_of_val(&context::runtime_table(true));
        for vectors in [true, false, true] {
            for place in [0x60, 0, 0x60, 8, last] {
                holds(place, vectors, |mapping| {
                    map(mapping, PAGE, place, vectors).expect("memory")
                });
                holds(place, vectors, |mapping| {
                    map_own(mapping, PAGE, place, vectors).expect("memory")
                });
            }
        }
    }
}
