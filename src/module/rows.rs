//! Where the rows of an import table are kept: pages that nobody can write.
//!
//! The kernel writes the rows into a file of its memory, which is sealed and then mapped: no process can make the pages writable, and none
//! is touched before a guest calls out. Where the kernel or a tool does not know these calls, or there is no descriptor to be had, the rows
//! are put into pages of our own, which then lose the permission.
//!
//! Invariants: the pages are not writable when a table is handed out; no descriptor is kept.

use crate::control::ImportTarget;
use crate::error::{Error, Result};
use crate::mapping::{Access, Mapping, memory_file, seal_shared_file, write_at};
use lucet_format::PAGE_SIZE;
use std::os::fd::AsFd;

/// Puts rows where nothing can change them. `None`: there are none.
///
/// # Errors
///
/// `NoMemory`, `System`.
pub(super) fn read_only(rows: &[ImportTarget]) -> Result<Option<Mapping>> {
    if rows.is_empty() {
        return Ok(None);
    }
    shared(rows).or_else(|_| own(rows)).map(Some)
}

fn length(rows: &[ImportTarget]) -> usize {
    size_of_val(rows).next_multiple_of(PAGE_SIZE as usize)
}

const _: () = assert!(size_of::<ImportTarget>() == 4 * size_of::<usize>() + 2 * size_of::<u32>());

fn shared(rows: &[ImportTarget]) -> Result<Mapping> {
    let file = memory_file(c"lucet-imports", 0)?;
    // SAFETY: the rows are readable, and have no padding, as the assertion above says.
    let bytes =
        unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<u8>(), size_of_val(rows)) };
    write_at(file.as_fd(), 0, bytes).map_err(|()| Error::system("writing an import table"))?;
    seal_shared_file(file.as_fd())?;
    // What the file lacks of the last page is zero.
    Mapping::of_shared_file(file.as_fd(), length(rows))
}

fn own(rows: &[ImportTarget]) -> Result<Mapping> {
    let mapping = Mapping::of_zeros(length(rows))?;
    // SAFETY: the pages are ours, writable, page-aligned and long enough.
    unsafe {
        (mapping.base() as *mut ImportTarget).copy_from_nonoverlapping(rows.as_ptr(), rows.len());
    }
    mapping.protect(0, mapping.len(), Access::Read)?;
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_and_cannot_be_changed() {
        for count in [1u32, 127, 128, 129, 1000] {
            let rows: Vec<_> = (0..count)
                .map(|index| ImportTarget {
                    index,
                    flags: index as u16 ^ 5,
                    ..ImportTarget::EMPTY
                })
                .collect();
            for (mapping, for_ever) in [(shared(&rows), true), (own(&rows), false)] {
                let mapping = mapping.expect("memory");
                let at = mapping.base() as *const ImportTarget;
                // SAFETY: the pages are readable, and so many rows long.
                let found = unsafe { std::slice::from_raw_parts(at, rows.len()) };
                assert!(
                    found
                        .iter()
                        .zip(&rows)
                        .all(|(one, other)| (one.index, one.flags) == (other.index, other.flags))
                );
                if for_ever {
                    let refused = mapping.protect(0, mapping.len(), Access::ReadWrite);
                    assert!(refused.is_err());
                }
            }
        }
        assert!(read_only(&[]).expect("nothing to do").is_none());
    }
}
