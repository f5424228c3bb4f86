//! What the linear memory of a module's fresh instances holds: zeros, and the module's data. [`super::Link::initial`] says when it is made.
//!
//! The data lie in a file of the kernel's memory, which slots map privately: a page of it is copied when a guest first
//! writes to it, and never before. The same file is mapped once for us, to restore pages by copying.

use crate::clear;
use crate::counted::try_collect;
use crate::error::{Error, Result};
use crate::hot::HotSet;
use crate::mapping::{Mapping, memory_file, seal_file, write_at};
use lucet_format::PAGE_SIZE;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// See the file's header.
pub struct InitialMemory {
    /// Never the same for two of them in a process; never 0.
    pub id: u64,
    /// Bytes of a fresh memory: whole pages.
    pub bytes: u64,
    /// The data, from the memory's start; `None`: all zeros.
    data: Option<Data>,
    /// What instances have been seen to write, in whichever slot.
    hot: Mutex<HotSet>,
    /// Counts up to the next time that somebody looks what they write.
    count: AtomicU32,
}

struct Data {
    file: OwnedFd,
    mapping: Mapping,
    /// For each page, whether it has something other than zeros.
    filled: Vec<bool>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl InitialMemory {
    /// A memory of `bytes` bytes with pieces of data, which lie within it.
    ///
    /// # Errors
    ///
    /// `NoMemory`, `System`.
    pub fn new<'a>(
        bytes: u64,
        pieces: impl Iterator<Item = (u64, &'a [u8])> + Clone,
    ) -> Result<InitialMemory> {
        let ends = pieces
            .clone()
            .filter(|(_, piece)| !piece.is_empty())
            .map(|(at, piece)| at + piece.len() as u64);
        let end = ends
            .max()
            .unwrap_or(0)
            .next_multiple_of(PAGE_SIZE)
            .min(bytes);
        let data = if end == 0 {
            None
        } else {
            Some(Data::new(end as usize, pieces)?)
        };
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(InitialMemory {
            id,
            bytes,
            data,
            hot: Mutex::new(HotSet::EMPTY),
            count: AtomicU32::new(0),
        })
    }

    /// Whether this is one of the `first` calls, or of every `again` calls the last. The answer may be off where threads meet.
    pub fn counts_to(&self, first: u32, again: u32) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        count < first || count.is_multiple_of(again)
    }

    /// Copies the pages of a range that hold data into a memory that is zero there.
    ///
    /// # Safety
    ///
    /// As [`InitialMemory::restore`].
    pub unsafe fn restore_data(&self, memory: usize, offset: usize, length: usize) {
        let Some(data) = &self.data else {
            return;
        };
        let end = (offset + length).min(data.mapping.len());
        let mut at = offset;
        while at < end {
            let (run_end, zero) = self.run(at, end);
            if !zero {
                // SAFETY: the caller's promise.
                unsafe { self.restore(memory, at, run_end - at) };
            }
            at = run_end;
        }
    }

    /// The file with the data and its length in bytes.
    pub fn file(&self) -> Option<(BorrowedFd<'_>, usize)> {
        self.data
            .as_ref()
            .map(|data| (data.file.as_fd(), data.mapping.len()))
    }

    /// Makes a range of a memory what it is at first, by writing all of it: afterwards every page of it is in memory.
    ///
    /// # Safety
    ///
    /// `memory` is the address of a memory of `bytes` bytes, in which the range can be written and nobody looks at it.
    pub unsafe fn restore(&self, memory: usize, offset: usize, length: usize) {
        // SAFETY: the caller's promise.
        let zero = |at: *mut u8, length| unsafe { at.write_bytes(0, length) };
        // SAFETY: the caller's promise.
        unsafe { self.restore_by(memory, offset, length, zero) };
    }

    /// The same for pages that have been in memory since they were last restored: it may take half as long.
    ///
    /// # Safety
    ///
    /// As [`InitialMemory::restore`].
    pub unsafe fn restore_resident(&self, memory: usize, offset: usize, length: usize) {
        // SAFETY: the caller's promise.
        let zero = |at: *mut u8, length| unsafe { clear::clear(at, length) };
        // SAFETY: the caller's promise.
        unsafe { self.restore_by(memory, offset, length, zero) };
    }

    /// # Safety
    ///
    /// As [`InitialMemory::restore`], and `zero_pages` makes pages zero.
    #[inline]
    unsafe fn restore_by(
        &self,
        memory: usize,
        offset: usize,
        length: usize,
        zero_pages: impl Fn(*mut u8, usize),
    ) {
        let end = offset + length;
        let mut at = offset;
        while at < end {
            let (run_end, zero) = self.run(at, end);
            let target = (memory + at) as *mut u8;
            match self.data.as_ref().filter(|_| !zero) {
                // SAFETY: the source is mapped readable, the caller's promise for the destination.
                Some(data) => unsafe {
                    target.copy_from_nonoverlapping(
                        (data.mapping.base() + at) as *const u8,
                        run_end - at,
                    );
                },
                None => zero_pages(target, run_end - at),
            }
            at = run_end;
        }
    }

    /// Where a memory first differs from what it is at first.
    ///
    /// # Safety
    ///
    /// `memory` is the address of a memory of `bytes` bytes, which can be read, and to which nobody writes.
    pub unsafe fn difference(&self, memory: usize) -> Option<usize> {
        let end = self.bytes as usize;
        let mut at = 0;
        while at < end {
            let (run_end, zero) = self.run(at, end);
            let length = run_end - at;
            // SAFETY: the caller's promise.
            let found = unsafe { std::slice::from_raw_parts((memory + at) as *const u8, length) };
            let differs = match self.data.as_ref().filter(|_| !zero) {
                Some(data) => {
                    let source = (data.mapping.base() + at) as *const u8;
                    // SAFETY: the data are mapped readable, at least up to the last page that is not zero.
                    let wanted = unsafe { std::slice::from_raw_parts(source, length) };
                    found
                        .iter()
                        .zip(wanted)
                        .position(|(one, other)| one != other)
                }
                None => found.iter().position(|byte| *byte != 0),
            };
            if let Some(offset) = differs {
                return Some(at + offset);
            }
            at = run_end;
        }
        None
    }

    /// Where the pages like the one at `at` end, at the latest at `end`, and whether they are all zeros: clearing a page
    /// takes half as long as copying one.
    fn run(&self, at: usize, end: usize) -> (usize, bool) {
        let page = PAGE_SIZE as usize;
        let Some(data) = &self.data else {
            return (end, true);
        };
        let zero = data.is_zero(at / page);
        let mut next = (at / page + 1) * page;
        while next < end && data.is_zero(next / page) == zero {
            next += page;
        }
        (next.min(end), zero)
    }

    /// What is known to be written.
    pub fn hot(&self) -> HotSet {
        *self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is known to be written.
    pub fn set_hot(&self, hot: HotSet) {
        *self.hot.lock().unwrap_or_else(PoisonError::into_inner) = hot;
    }
}

impl Data {
    fn new<'a>(length: usize, pieces: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Data> {
        let file = memory_file(c"lucet-memory", length)?;
        let pages = length / PAGE_SIZE as usize;
        let mut filled = try_collect((0..pages).map(|_| false), "the data of a module")?;
        for (at, piece) in pieces {
            write_at(file.as_fd(), at, piece)
                .map_err(|()| Error::system("writing the data of a module"))?;
            mark(&mut filled, at, piece);
        }
        seal_file(file.as_fd())?;
        let mapping = Mapping::of_file(file.as_fd(), length)?;
        Ok(Data {
            file,
            mapping,
            filled,
        })
    }

    fn is_zero(&self, page: usize) -> bool {
        !self.filled.get(page).copied().unwrap_or(false)
    }
}

/// Notes the pages in which a piece has something other than zeros. The file itself is not looked at: that would take memory for
/// all of it, and between two small pieces it may be as long as a memory can be.
fn mark(filled: &mut [bool], at: u64, piece: &[u8]) {
    let mut at = at;
    let mut rest = piece;
    while !rest.is_empty() {
        let here = rest.len().min((PAGE_SIZE - at % PAGE_SIZE) as usize);
        let (part, after) = rest.split_at(here);
        if part.iter().any(|byte| *byte != 0)
            && let Some(page) = filled.get_mut((at / PAGE_SIZE) as usize)
        {
            *page = true;
        }
        at += here as u64;
        rest = after;
    }
}
