//! The free slots of a region, in the order in which they became free.
//!
//! ```text
//!   0                cold                       length
//!   | keep nothing   | may keep memory .......... | the next to be taken
//! ```
//!
//! The last one is taken first, so a small load stays in the same few slots, whose memory is warm, and the coldest are those at
//! the beginning. Invariant: slots before `cold` have no memory to give back, or the kernel did not take it.

use crate::error::{Error, Result};

/// See the file's header.
#[derive(Debug)]
pub(super) struct FreeSlots {
    slots: Vec<u32>,
    cold: usize,
}

impl FreeSlots {
    /// All slots are free.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn all(count: u32) -> Result<FreeSlots> {
        let mut slots = Vec::new();
        slots
            .try_reserve_exact(count as usize)
            .map_err(|_| Error::no_memory("the list of free slots"))?;
        slots.extend((0..count).rev());
        Ok(FreeSlots { slots, cold: 0 })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot at a place; places count from the one that has been free for longest.
    pub fn at(&self, place: usize) -> Option<u32> {
        self.slots.get(place).copied()
    }

    /// Takes the slot at a place out.
    pub fn take(&mut self, place: usize) -> Option<u32> {
        if place >= self.slots.len() {
            return None;
        }
        if place < self.cold {
            self.cold -= 1;
        }
        Some(self.slots.remove(place))
    }

    /// Puts a slot back. There is room for every slot.
    pub fn put(&mut self, slot: u32) {
        if self.slots.len() < self.slots.capacity() {
            self.slots.push(slot);
        }
    }

    /// The slot that has been free for longest of those that have not been asked for their memory since, which it is now.
    pub fn coldest(&mut self) -> Option<u32> {
        let slot = self.at(self.cold)?;
        self.cold += 1;
        Some(slot)
    }

    /// A free slot may have got memory without being taken.
    pub fn warmed(&mut self, place: usize) {
        self.cold = self.cold.min(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_is_taken_first_and_the_first_is_coldest() {
        let mut free = FreeSlots::all(4).expect("memory");
        assert_eq!(free.take(free.len() - 1), Some(0));
        free.put(0);
        assert_eq!(free.coldest(), Some(3));
        assert_eq!(free.coldest(), Some(2));
        // Taking one that has been asked does not hide one that has not.
        assert_eq!(free.take(0), Some(3));
        free.put(3);
        assert_eq!(
            (free.coldest(), free.coldest(), free.coldest()),
            (Some(1), Some(0), Some(3))
        );
        assert_eq!(free.coldest(), None);
        free.warmed(2);
        assert_eq!(free.coldest(), Some(0));
        assert_eq!(free.take(7), None);
    }
}
