//! The exceptions of an instance.
//!
//! An exception is kept until it is caught by a clause that does not want a reference to it, or else for as long as something may
//! refer to it. What that is the arena cannot know, so [`Arena::collect`] is told everything that looks like a reference: a number
//! that happens to look like one keeps an exception for longer, and nothing else.
//!
//! ```text
//!   reference:  serial (32 bits) | place + 1 (32 bits)      0 is null
//!                    |                  |
//!                    |                  v
//!   entries:    | serial 7 | free | serial 9 | serial 8 | free |
//!                              `--------- next ----------->'
//! ```
//!
//! Collecting is worth its while when there may be as much to remove as can be thrown in the meantime, see [`Arena::is_due`].
//!
//! Invariants: serials are not repeated until 2^32 exceptions have been thrown, so a reference to what is gone is not
//! taken for another one; an arena never takes more memory than its limit.

use super::TagId;
use std::collections::TryReserveError;

/// Values that an exception can carry without memory of its own.
const INLINE: usize = 2;
/// No place.
const NONE: u32 = u32::MAX;
/// Places of an arena with one exception.
const FEW: usize = 4;
/// Places that stay allocated in an arena without exceptions.
const KEPT: usize = 32;
/// The first serial: so large that small integers look like no reference.
const FIRST_SERIAL: u32 = 0x4c75_6365;

/// An exception, or a place for one.
#[derive(Debug)]
pub struct Exception {
    tag: TagId,
    serial: u32,
    /// How many values it carries; [`NONE`]: the place is free.
    count: u32,
    inline: [u128; INLINE],
    /// All values, where they are too many.
    more: Vec<u128>,
    /// The next free place, or the next one to look through.
    next: u32,
    /// Whether some handler was given a reference to it.
    referenced: bool,
    /// Whether the collection that goes on has found a reference to it.
    found: bool,
}

impl Exception {
    /// Its tag.
    pub fn tag(&self) -> TagId {
        self.tag
    }

    /// What it carries.
    pub fn values(&self) -> &[u128] {
        if self.more.is_empty() {
            &self.inline[..(self.count as usize).min(INLINE)]
        } else {
            &self.more
        }
    }

    fn is_free(&self) -> bool {
        self.count == NONE
    }
}

/// See the file's header.
#[derive(Debug)]
pub struct Arena {
    entries: Vec<Exception>,
    /// The first free place.
    free: u32,
    /// The serial of the next exception.
    serial: u32,
    /// Bytes that values take beside the entries.
    beside: usize,
    /// How many exceptions there are.
    live: usize,
    /// Bytes that exceptions took after the latest collection.
    kept: usize,
    /// The exception that was thrown last and has not been caught: a reference.
    thrown: u64,
}

impl Default for Arena {
    fn default() -> Arena {
        Arena {
            entries: Vec::new(),
            free: NONE,
            serial: FIRST_SERIAL,
            beside: 0,
            live: 0,
            kept: 0,
            thrown: 0,
        }
    }
}

impl Arena {
    /// Whether there is room for an exception with so many values in so many bytes.
    pub fn has_room(&self, count: usize, bytes: u64) -> bool {
        let places = self.entries.len() + usize::from(self.free == NONE);
        let needed = places * size_of::<Exception>() + self.beside + beside(count);
        needed as u64 <= bytes
    }

    /// Whether it is time to collect, in an arena of so many bytes: half of what the latest collection has left has been used since.
    pub fn is_due(&self, bytes: u64) -> bool {
        let used = self.used() as u64;
        used > bytes / 4 && used > (self.kept as u64 + bytes) / 2
    }

    /// Bytes that exceptions take.
    fn used(&self) -> usize {
        self.live * size_of::<Exception>() + self.beside
    }

    /// Makes an exception that carries so many values, where there is room for it in so many bytes. Answers a reference.
    ///
    /// # Errors
    ///
    /// The system has no memory.
    pub fn make(
        &mut self,
        tag: TagId,
        bytes: u64,
        count: usize,
        values: impl Iterator<Item = u128>,
    ) -> Result<u64, TryReserveError> {
        let mut exception = Exception {
            tag,
            serial: self.serial,
            count: count as u32,
            inline: [0; INLINE],
            more: Vec::new(),
            next: NONE,
            referenced: false,
            found: false,
        };
        if count > INLINE {
            exception.more.try_reserve_exact(count)?;
            exception.more.extend(values.take(count));
        } else {
            for (place, value) in exception.inline.iter_mut().zip(values.take(count)) {
                *place = value;
            }
        }
        if self.free == NONE && self.entries.len() == self.entries.capacity() {
            self.grow(bytes.saturating_sub((self.beside + beside(count)) as u64))?;
        }
        self.serial = self.serial.wrapping_add(1);
        self.beside += beside(count);
        self.live += 1;
        let serial = u64::from(exception.serial) << 32;
        let place = match self.entries.get_mut(self.free as usize) {
            Some(entry) => {
                let place = std::mem::replace(&mut self.free, entry.next);
                *entry = exception;
                place as usize
            }
            None => {
                self.entries.push(exception);
                self.entries.len() - 1
            }
        };
        Ok(serial | (place as u64 + 1))
    }

    /// Makes room for at least one more entry, and for as many again as there are if that is no more than so many bytes.
    fn grow(&mut self, bytes: u64) -> Result<(), TryReserveError> {
        let length = self.entries.len();
        let most = bytes as usize / size_of::<Exception>();
        let wanted = (2 * length).max(FEW).min(most).max(length + 1);
        self.entries.try_reserve_exact(wanted - length)
    }

    fn place(&self, reference: u64) -> Option<usize> {
        let place = usize::try_from((reference & 0xffff_ffff).checked_sub(1)?).ok()?;
        let entry = self.entries.get(place)?;
        let is_it = !entry.is_free() && u64::from(entry.serial) == reference >> 32;
        is_it.then_some(place)
    }

    /// What a reference refers to, if it does.
    pub fn get(&self, reference: u64) -> Option<&Exception> {
        self.entries.get(self.place(reference)?)
    }

    /// Notes that an exception is on its way to a handler.
    pub fn throw(&mut self, reference: u64) {
        self.thrown = reference;
    }

    /// Whether an exception is on its way.
    pub fn is_thrown(&self) -> bool {
        self.thrown != 0
    }

    /// Gives the exception on its way to its handler: the values to `take`, and the reference back. Without `keep` there is no other, so
    /// that the exception is gone.
    pub fn catch(&mut self, keep: bool, take: impl FnOnce(&[u128])) -> Option<u64> {
        let reference = std::mem::take(&mut self.thrown);
        let place = self.place(reference)?;
        let entry = self.entries.get_mut(place)?;
        take(entry.values());
        entry.referenced |= keep;
        if !entry.referenced {
            self.remove(place);
        }
        Some(reference)
    }

    /// Removes an exception that no handler gets. One that some handler was given a reference to stays until it is collected.
    pub fn forget(&mut self, reference: u64) {
        let place = self.place(reference);
        let entry = place.and_then(|place| self.entries.get(place));
        if let Some(place) = place.filter(|_| entry.is_some_and(|entry| !entry.referenced)) {
            self.remove(place);
        }
    }

    /// The exception on its way never arrives.
    pub fn forget_thrown(&mut self) {
        let thrown = std::mem::take(&mut self.thrown);
        self.forget(thrown);
    }

    fn remove(&mut self, place: usize) {
        let Some(entry) = self.entries.get_mut(place) else {
            return;
        };
        self.beside -= beside(entry.more.len());
        self.live -= 1;
        entry.more = Vec::new();
        entry.count = NONE;
        entry.next = self.free;
        self.free = place as u32;
    }

    /// Removes every exception that none of these numbers refers to, nor an exception that one of them refers to, and so on.
    pub fn collect(&mut self, roots: impl IntoIterator<Item = u64>) {
        let mut pending = NONE;
        self.find(self.thrown, &mut pending);
        for root in roots {
            self.find(root, &mut pending);
        }
        while let Some(entry) = self.entries.get(pending as usize) {
            let place = pending as usize;
            let values = entry.values().len();
            pending = entry.next;
            for index in 0..values {
                let value = self
                    .entries
                    .get(place)
                    .and_then(|entry| entry.values().get(index));
                // A reference is the low half of a value.
                self.find(value.map_or(0, |value| *value as u64), &mut pending);
            }
        }
        for place in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(place) else {
                return;
            };
            let found = std::mem::take(&mut entry.found);
            if !found && !entry.is_free() {
                self.remove(place);
            }
        }
        self.kept = self.used();
    }

    /// Notes a reference, and that what it refers to is to be looked through.
    fn find(&mut self, reference: u64, pending: &mut u32) {
        let Some(place) = self.place(reference) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(place).filter(|entry| !entry.found) else {
            return;
        };
        entry.found = true;
        entry.next = std::mem::replace(pending, place as u32);
    }

    /// Removes everything. A few places stay allocated.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.entries.shrink_to(KEPT);
        self.free = NONE;
        self.beside = 0;
        self.live = 0;
        self.kept = 0;
        self.thrown = 0;
    }
}

/// Bytes that so many values take beside the entry.
fn beside(count: usize) -> usize {
    if count > INLINE {
        count * size_of::<u128>()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(index: u32) -> TagId {
        TagId::of_guest(1, index)
    }

    fn make(arena: &mut Arena, index: u32, values: &[u128]) -> u64 {
        arena
            .make(tag(index), 1 << 16, values.len(), values.iter().copied())
            .expect("memory")
    }

    fn values(arena: &Arena, reference: u64) -> Option<Vec<u128>> {
        arena.get(reference).map(|found| found.values().to_vec())
    }

    #[test]
    fn what_is_caught_without_a_reference_is_gone() {
        let mut arena = Arena::default();
        for round in 0..1000 {
            let many = vec![round; (round % 5) as usize];
            let reference = make(&mut arena, 3, &many);
            arena.throw(reference);
            let mut taken = Vec::new();
            assert_eq!(
                arena.catch(false, |values| taken.extend_from_slice(values)),
                Some(reference)
            );
            assert_eq!(taken, many);
            assert!(arena.get(reference).is_none());
        }
        assert_eq!((arena.entries.len(), arena.beside), (1, 0));
        assert_eq!(arena.catch(true, |_| ()), None);
    }

    #[test]
    fn what_no_handler_gets_is_gone() {
        let mut arena = Arena::default();
        let uncaught = make(&mut arena, 1, &[1]);
        arena.forget(uncaught);
        assert!(arena.get(uncaught).is_none());
        arena.forget(uncaught);
        let stopped = make(&mut arena, 1, &[1, 2, 3]);
        arena.throw(stopped);
        arena.forget_thrown();
        assert!(!arena.is_thrown() && arena.get(stopped).is_none());
        let kept = make(&mut arena, 2, &[]);
        arena.throw(kept);
        assert_eq!(arena.catch(true, |_| ()), Some(kept));
        arena.forget(kept);
        assert!(arena.get(kept).is_some());
        assert_eq!(arena.used(), size_of::<Exception>());
    }

    #[test]
    fn a_reference_keeps_an_exception_through_later_catches() {
        let mut arena = Arena::default();
        let reference = make(&mut arena, 0, &[5, 6, 7]);
        for keep in [true, false] {
            arena.throw(reference);
            assert_eq!(arena.catch(keep, |_| ()), Some(reference));
            assert_eq!(values(&arena, reference), Some(vec![5, 6, 7]));
        }
        assert_eq!(arena.get(reference).map(Exception::tag), Some(tag(0)));
    }

    #[test]
    fn references_to_others_and_to_what_is_gone_refer_to_nothing() {
        let mut arena = Arena::default();
        let reference = make(&mut arena, 0, &[]);
        for other in [
            0,
            1,
            reference + 1,
            reference - 1,
            reference ^ 1 << 40,
            u64::MAX,
        ] {
            assert!(arena.get(other).is_none(), "{other:#x}");
        }
        arena.clear();
        assert!(arena.get(reference).is_none());
        let next = make(&mut arena, 0, &[]);
        assert!(arena.get(reference).is_none() && arena.get(next).is_some());
    }

    #[test]
    fn collecting_follows_references_in_values_also_in_circles() {
        let mut arena = Arena::default();
        let first = make(&mut arena, 0, &[1]);
        let second = make(&mut arena, 0, &[0, u128::from(first), 0]);
        let third = make(&mut arena, 0, &[u128::from(second)]);
        // No guest can do that, but the collection must end.
        arena.entries[0].inline[0] = u128::from(third);
        let lost = make(&mut arena, 0, &[9; 40]);
        arena.collect([17, third, third]);
        assert!(arena.get(lost).is_none());
        assert_eq!(arena.beside, 3 * 16);
        for reference in [first, second, third] {
            assert!(arena.get(reference).is_some());
        }
        arena.throw(first);
        arena.collect([]);
        assert!(arena.get(third).is_some());
        arena.throw(0);
        arena.collect([]);
        assert_eq!(arena.beside, 0);
        let places: Vec<u64> = (0..4)
            .map(|_| make(&mut arena, 0, &[]) & 0xffff_ffff)
            .collect();
        assert_eq!((places.len(), arena.entries.len()), (4, 4));
    }

    #[test]
    fn collecting_is_due_when_half_of_what_was_left_is_used() {
        let mut arena = Arena::default();
        let bytes = 64 * size_of::<Exception>() as u64;
        let fill = |arena: &mut Arena| {
            let mut made = Vec::new();
            while !arena.is_due(bytes) {
                assert!(arena.has_room(0, bytes));
                made.push(make(arena, 0, &[]));
            }
            made
        };
        let made = fill(&mut arena);
        assert_eq!(made.len(), 33);
        arena.collect(made[..20].iter().copied());
        // 44 places were left.
        assert_eq!(fill(&mut arena).len(), 23);
    }

    #[test]
    fn room_is_what_entries_and_values_leave() {
        let mut arena = Arena::default();
        let entry = size_of::<Exception>();
        assert!(arena.has_room(2, entry as u64) && !arena.has_room(3, entry as u64));
        let reference = make(&mut arena, 0, &[0; 3]);
        assert!(!arena.has_room(0, 2 * entry as u64));
        assert!(arena.has_room(0, 2 * entry as u64 + 48));
        arena.throw(reference);
        arena.catch(false, |_| ());
        assert!(arena.has_room(0, entry as u64));
    }
}
