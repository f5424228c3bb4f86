//! Free slots at hand: each lane has the few that its threads gave back last, so that threads do not meet at the region's list.
//!
//! ```text
//!   a lane's word    63 | 62 ........ 42 | 41 ........ 21 | 20 ......... 0        slot + 1; 0: none
//!                       | the longest    |                | the latest
//! ```
//!
//! Invariants: a slot is in one lane once, or in none; whoever changes a word by which it is not there any more has it. The word is all
//! there is of a lane, so it is right to exchange one that has been changed and changed back meanwhile.
//!
//! `tests/models` compiles this file a second time, with loom's atomics. So it names nothing of the crate but what its parent brings:
//! `AtomicU64`, `Ordering`.

use super::{AtomicU64, Ordering};

/// Slots in a lane.
const PLACES: u32 = 3;
/// Bits of a place.
const BITS: u32 = 21;
const MASK: u64 = (1 << BITS) - 1;

/// One lane, alone in the cache lines that processors fetch together.
#[derive(Debug)]
#[repr(align(128))]
pub struct Lane(AtomicU64);

impl Lane {
    /// Without slots.
    pub fn new() -> Lane {
        Lane(AtomicU64::new(0))
    }

    /// Puts a slot here. The one that has been here for longest may have to leave.
    #[inline]
    pub fn put(&self, slot: u32) -> Option<u32> {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let with = (seen << BITS | place_of(slot)) & (u64::MAX >> 1);
            // Release: who takes this slot finds it as it was left. Acquire: as who takes the other one.
            match self.exchange(seen, with) {
                Ok(()) => return slot_in(seen >> (BITS * (PLACES - 1))),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes the latest slot that is `wanted`. What is asked about it is a guess: others may be taking it.
    #[inline]
    pub fn take(&self, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let mut seen = self.0.load(Ordering::Acquire);
        'changed: loop {
            for place in 0..PLACES {
                let at = place * BITS;
                let Some(slot) = slot_in(seen >> at & MASK) else {
                    break;
                };
                if !wanted(slot) {
                    continue;
                }
                let newer = seen & ((1 << at) - 1);
                let older = seen >> at >> BITS << at;
                match self.exchange(seen, older | newer) {
                    Ok(()) => return Some(slot),
                    Err(now) => seen = now,
                }
                continue 'changed;
            }
            return None;
        }
    }

    /// Takes all, those first that have been here for longest.
    pub fn take_all(&self) -> impl Iterator<Item = u32> + use<> {
        let seen = self.0.swap(0, Ordering::AcqRel);
        (0..PLACES)
            .rev()
            .filter_map(move |place| slot_in(seen >> (place * BITS) & MASK))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let seen = self.0.load(Ordering::Relaxed);
        (0..PLACES)
            .filter(|place| seen >> (place * BITS) & MASK != 0)
            .count()
    }

    fn exchange(&self, seen: u64, wanted: u64) -> Result<(), u64> {
        self.0
            .compare_exchange(seen, wanted, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }
}

fn place_of(slot: u32) -> u64 {
    u64::from(slot) + 1
}

fn slot_in(place: u64) -> Option<u32> {
    place.checked_sub(1).map(|slot| slot as u32)
}
