//! Which pages of a range have been written, from the kernel: <https://docs.kernel.org/admin-guide/mm/pagemap.html>.

use crate::hot::{Cover, HotSet, Pages};
use lucet_format::PAGE_SIZE;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Entries that are read at a time.
const WINDOW: usize = 512;

const SWAPPED: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;
/// The page is a file's, or shared memory.
const OF_FILE: u64 = 1 << 61;
/// Nobody else maps the page; not so for the kernel's page of zeros.
const EXCLUSIVE: u64 = 1 << 56;

/// The written pages of a private mapping that begins at `start` and has `count` pages. `None`: the kernel does not say.
pub(super) fn written(start: usize, count: u32) -> Option<HotSet> {
    let mut cover = Cover::default();
    visit(start, count, |page| {
        cover.add(Pages {
            first: page,
            count: 1,
        })
    })?;
    Some(cover.set())
}

/// How many pages of a private mapping have been written. `None`: the kernel does not say.
pub(super) fn count_written(start: usize, count: u32) -> Option<u64> {
    count_in(&open()?, start, count)
}

/// How many pages of several mappings have been written, those left out of which the kernel does not say. Opens its file once for all
/// of them.
pub(super) fn count_all_written(mappings: impl Iterator<Item = (usize, u32)>) -> u64 {
    let Some(file) = open() else {
        return 0;
    };
    mappings
        .filter_map(|(start, count)| count_in(&file, start, count))
        .sum()
}

fn count_in(file: &OwnedFd, start: usize, count: u32) -> Option<u64> {
    let mut written = 0;
    visit_in(file, start, count, |_| written += 1)?;
    Some(written)
}

/// Calls `each` with the number of every written page, ascending.
pub(super) fn visit(start: usize, count: u32, each: impl FnMut(u32)) -> Option<()> {
    visit_in(&open()?, start, count, each)
}

fn open() -> Option<OwnedFd> {
    // SAFETY: opens a file by a C string.
    let number = unsafe {
        libc::open(
            c"/proc/self/pagemap".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if number < 0 {
        return None;
    }
    // SAFETY: just opened, and nobody else's.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

fn visit_in(file: &OwnedFd, start: usize, count: u32, mut each: impl FnMut(u32)) -> Option<()> {
    let mut window = [0u64; WINDOW];
    let mut page = 0;
    while page < count {
        let wanted = WINDOW.min((count - page) as usize);
        let offset = (start as u64 / PAGE_SIZE + u64::from(page)) * 8;
        // SAFETY: the window has room for as many entries.
        let got = unsafe {
            libc::pread(
                file.as_raw_fd(),
                window.as_mut_ptr().cast(),
                wanted * 8,
                offset.cast_signed(),
            )
        };
        let entries = usize::try_from(got).ok()? / 8;
        if entries == 0 {
            return None;
        }
        let written = window
            .iter()
            .zip(page..)
            .take(entries)
            .filter(|(entry, _)| is_written(**entry));
        written.for_each(|(_, number)| each(number));
        page += entries as u32;
    }
    Some(())
}

fn is_written(entry: u64) -> bool {
    let own = entry & (PRESENT | OF_FILE | EXCLUSIVE) == PRESENT | EXCLUSIVE;
    own || entry & SWAPPED != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Access, Mapping};

    #[test]
    fn written_pages_are_found_and_read_ones_are_not() {
        let page = PAGE_SIZE as usize;
        let mapping = Mapping::reserve(16 * page, page).expect("memory");
        mapping
            .protect(0, 16 * page, Access::ReadWrite)
            .expect("memory");
        let at = |number: usize| (mapping.base() + number * page) as *mut u8;
        // SAFETY: the pages are the mapping's.
        unsafe {
            at(3).write_volatile(1);
            at(4).write_volatile(1);
            at(9).write_volatile(0);
            assert_eq!(at(12).read_volatile(), 0);
        }
        let set = written(mapping.base(), 16).expect("the kernel says");
        let found: Vec<_> = set
            .ranges()
            .iter()
            .map(|range| (range.first, range.count))
            .collect();
        assert_eq!(found, [(3, 2), (9, 1)]);
    }
}
