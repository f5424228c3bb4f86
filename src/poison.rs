//! Views that cannot outlive their call: a debug mode in which a host function gets copies of the guest's ranges, those of its
//! parameters and those that it asks for, in pages that nobody can touch once the call is over.
//!
//! ```text
//!   guest's memory    | ...   range   ... |            mapping of its own   |  ......range|    guard page   |
//!                             ---- lend: copied, ends where the guard begins ---->
//!                             <--- settle: bytes that the host has changed -------
//!                                                      retire: no access, and the address stays ours for long: |  quarantine  |
//! ```
//!
//! Invariants: a view's pages are accessible from [`Views::lend`] to the end of its call and no longer; pages of ranges that are not
//! written are read-only, and end when the guest runs again, even in a callback. An address in the quarantine belongs to nothing
//! else. The quarantine is the process's, because views are kept longer than instances live, and bounded.
//!
//! No panics: there is no catching where calls are made.

use crate::mapping::{Access, Mapping};
use lucet_format::PAGE_SIZE;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Retired views that are remembered: so many,
const MOST_VIEWS: usize = 1024;
/// and so many bytes of address space. They take no memory.
const MOST_BYTES: usize = 1 << 30;

/// A range that a host function is looking at.
struct View {
    /// Tells the calls of an instance apart.
    owner: usize,
    mapping: Mapping,
    accessible: usize,
    data: *mut u8,
    guest: *mut u8,
    bytes: usize,
    /// What was copied last, of a range that is written; else empty.
    known: Vec<u8>,
    written: bool,
}

/// The views of an instance that are alive, those of the innermost call last.
#[derive(Default)]
pub struct Views {
    alive: RefCell<Vec<View>>,
    /// The calls whose views end with them, the innermost last.
    calls: RefCell<Vec<usize>>,
}

impl Views {
    /// A call begins. False: no memory.
    pub fn begin(&self, owner: usize) -> bool {
        let Ok(mut calls) = self.calls.try_borrow_mut() else {
            return false;
        };
        let room = calls.try_reserve(1).is_ok();
        if room {
            calls.push(owner);
        }
        room
    }

    /// The innermost call; `None`: no host function runs whose views end with it.
    pub fn current(&self) -> Option<usize> {
        self.calls.try_borrow().ok()?.last().copied()
    }

    /// A copy of a range for the call `owner`. `None`: no memory.
    ///
    /// # Safety
    ///
    /// So many bytes at `guest` can be read, and written if `written`, until [`Views::finish`].
    pub unsafe fn lend(
        &self,
        owner: usize,
        guest: *mut u8,
        bytes: usize,
        misalignment: usize,
        written: bool,
    ) -> Option<*mut u8> {
        let page = PAGE_SIZE as usize;
        let accessible = bytes.checked_next_multiple_of(page)?;
        let mapping = Mapping::reserve(accessible.checked_add(page)?, page).ok()?;
        mapping.protect(0, accessible, Access::ReadWrite).ok()?;
        // As near to the guard as the alignment allows.
        let data = ((mapping.base() + accessible - bytes) & !misalignment) as *mut u8;
        let mut known = Vec::new();
        // SAFETY: the caller's promise; the pages are new and have room for so many bytes behind `data`.
        unsafe { data.copy_from_nonoverlapping(guest, bytes) };
        if written {
            known.try_reserve_exact(bytes).ok()?;
            // SAFETY: as above.
            known.extend_from_slice(unsafe { std::slice::from_raw_parts(data, bytes) });
        } else {
            mapping.protect(0, accessible, Access::Read).ok()?;
        }
        let mut alive = self.alive.try_borrow_mut().ok()?;
        alive.try_reserve(1).ok()?;
        alive.push(View {
            owner,
            mapping,
            accessible,
            data,
            guest,
            bytes,
            known,
            written,
        });
        Some(data)
    }

    /// Brings what host functions have written to the guest, before somebody looks there.
    pub fn settle(&self) {
        self.each(View::settle);
    }

    /// The guest will run, or its memory change: what was only to be read is not looked at any more.
    pub fn guest_runs(&self) {
        if self.alive.try_borrow().is_ok_and(|alive| alive.is_empty()) {
            return;
        }
        self.settle();
        self.retire(|view| !view.written);
    }

    /// Something else may have written to the guest's memory.
    pub fn refresh(&self) {
        self.each(View::refresh);
    }

    /// The call is over.
    pub fn finish(&self, owner: usize) {
        self.settle();
        self.retire(|view| view.owner == owner);
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.pop_if(|last| *last == owner);
        }
    }

    /// The calls that were made with the host's stack there, or further down, were left by a jump.
    pub fn leave(&self, stack: usize) {
        self.settle();
        self.retire(|view| view.owner <= stack);
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.retain(|owner| *owner > stack);
        }
    }

    /// All calls are over, and what they have written and nobody has settled goes nowhere: the memory becomes another one, or the calls were
    /// left by a jump.
    pub fn abandon(&self) {
        self.retire(|_| true);
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.clear();
        }
    }

    fn each(&self, action: fn(&mut View)) {
        if let Ok(mut alive) = self.alive.try_borrow_mut() {
            alive.iter_mut().for_each(action);
        }
    }

    fn retire(&self, over: impl Fn(&View) -> bool) {
        if let Ok(mut alive) = self.alive.try_borrow_mut() {
            for view in alive.extract_if(.., |view| over(view)) {
                retire(view.mapping);
            }
        }
    }
}

impl View {
    fn settle(&mut self) {
        for (index, known) in self.known.iter_mut().enumerate() {
            // SAFETY: `lend`'s promise; `known` is as long as the range. The host function writes through a pointer of its own.
            unsafe {
                let now = self.data.add(index).read();
                if now != *known {
                    self.guest.add(index).write(now);
                    *known = now;
                }
            }
        }
    }

    fn refresh(&mut self) {
        let open = |access| self.mapping.protect(0, self.accessible, access).is_ok();
        if !self.written && !open(Access::ReadWrite) {
            return;
        }
        // SAFETY: `lend`'s promise.
        unsafe {
            self.data.copy_from_nonoverlapping(self.guest, self.bytes);
            for (index, known) in self.known.iter_mut().enumerate() {
                *known = self.data.add(index).read();
            }
        }
        if !self.written {
            open(Access::Read);
        }
    }
}

/// Addresses that are over, the oldest first.
struct Quarantine {
    mappings: VecDeque<Mapping>,
    bytes: usize,
}

static QUARANTINE: Mutex<Quarantine> = Mutex::new(Quarantine {
    mappings: VecDeque::new(),
    bytes: 0,
});

/// Takes the memory away and keeps the address.
fn retire(mapping: Mapping) {
    if mapping.renew(0, mapping.len()).is_err() {
        // Without it, the address is nobody's for now: as good until something else is mapped there.
        return;
    }
    let mut quarantine = QUARANTINE.lock().unwrap_or_else(PoisonError::into_inner);
    while quarantine.mappings.len() >= MOST_VIEWS
        || quarantine.bytes.saturating_add(mapping.len()) > MOST_BYTES
    {
        let Some(oldest) = quarantine.mappings.pop_front() else {
            return;
        };
        quarantine.bytes -= oldest.len();
    }
    if quarantine.mappings.try_reserve(1).is_ok() {
        quarantine.bytes += mapping.len();
        quarantine.mappings.push_back(mapping);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quarantine is the process's.
    static ALONE: Mutex<()> = Mutex::new(());

    fn lend(views: &Views, owner: usize, from: &mut [u8], written: bool) -> *mut u8 {
        // SAFETY: the caller's bytes outlive the views of the test.
        unsafe { views.lend(owner, from.as_mut_ptr(), from.len(), 0, written) }.expect("memory")
    }

    /// Whether the kernel can read there.
    fn readable(at: *const u8) -> bool {
        let mut byte = 0u8;
        let local = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        let remote = libc::iovec {
            iov_base: at.cast_mut().cast(),
            iov_len: 1,
        };
        // SAFETY: the kernel checks the remote address, the local one is a byte of ours.
        unsafe {
            libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
                == 1
        }
    }

    #[test]
    fn only_what_the_host_has_changed_goes_back() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (views, mut guest) = (Views::default(), *b"guest");
        let at = guest.as_mut_ptr();
        let view = lend(&views, 1, &mut guest, true);
        // SAFETY: both are of five bytes.
        unsafe {
            view.write(b'G');
            at.add(4).write(b'T');
            views.settle();
            assert_eq!(at.cast::<[u8; 5]>().read(), *b"GuesT");
            views.refresh();
            assert_eq!(view.cast::<[u8; 5]>().read(), *b"GuesT");
        }
        views.finish(1);
        assert!(!readable(view));
    }

    #[test]
    fn what_is_read_ends_with_a_callback_and_what_is_written_with_its_call() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (views, mut guest, mut other) = (Views::default(), [1; 9], [2; 5000]);
        let outer = [
            lend(&views, 1, &mut guest, false),
            lend(&views, 1, &mut other, true),
        ];
        assert!(outer.iter().all(|view| readable(*view)));
        views.guest_runs();
        assert!(!readable(outer[0]) && readable(outer[1]));
        let inner = lend(&views, 2, &mut guest, true);
        views.finish(2);
        assert!(!readable(inner) && readable(outer[1]));
        views.finish(1);
        assert!(!readable(outer[1]));
    }

    #[test]
    fn views_that_are_asked_for_belong_to_the_innermost_call() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (views, mut guest) = (Views::default(), [7; 9]);
        assert_eq!(views.current(), None);
        assert!(views.begin(1) && views.begin(2));
        let inner = lend(&views, views.current().expect("a call"), &mut guest, true);
        views.finish(2);
        assert!(!readable(inner));
        assert_eq!(views.current(), Some(1));
        let outer = lend(&views, 1, &mut guest, true);
        // SAFETY: of nine bytes.
        unsafe { outer.write(1) };
        views.abandon();
        assert!(!readable(outer));
        assert_eq!((views.current(), guest[0]), (None, 7));
    }

    #[test]
    fn a_view_ends_at_a_page_that_nobody_can_read() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (views, mut guest) = (Views::default(), [7; 4100]);
        let view = lend(&views, 1, &mut guest, false);
        assert!(readable(view.wrapping_add(4099)) && !readable(view.wrapping_add(4100)));
        let nothing = lend(&views, 1, &mut [], false);
        assert!(!readable(nothing));
        views.finish(1);
    }

    #[test]
    fn the_quarantine_is_bounded() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (views, mut guest) = (Views::default(), [7; 1]);
        let mut first = None;
        for _ in 0..MOST_VIEWS {
            let view = lend(&views, 1, &mut guest, false);
            views.finish(1);
            first.get_or_insert(view);
        }
        let held = || {
            let quarantine = QUARANTINE.lock().unwrap_or_else(PoisonError::into_inner);
            (quarantine.mappings.len(), quarantine.bytes)
        };
        assert_eq!(held(), (MOST_VIEWS, MOST_VIEWS * 2 * PAGE_SIZE as usize));
        retire(Mapping::reserve(MOST_BYTES - PAGE_SIZE as usize, 4096).expect("addresses"));
        assert_eq!(held(), (1, MOST_BYTES - PAGE_SIZE as usize));
        retire(Mapping::reserve(2 * PAGE_SIZE as usize, 4096).expect("addresses"));
        assert_eq!(held(), (1, 2 * PAGE_SIZE as usize));
    }
}
