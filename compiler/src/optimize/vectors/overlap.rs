//! What must not overlap, so that a round of the vector loop does what several rounds of the loop do.
//!
//! A round of the vector loop handles `chunk` bytes of each row: it makes all its loads, then its stores, row by row. Let
//! `distance` be how far ahead a store's row is of another one, in the direction that the loop goes:
//!
//! ```text
//!   going up:    load  |====== chunk ======|
//!                store      |====== chunk ======|     distance = store - load
//! ```
//!
//! * A load would have seen what an earlier round stored, if the store is ahead by less than `chunk`. It must not be.
//! * A store behind the load writes what has been loaded. So does the loop, if in a round each load comes in front of the
//!   stores to its own bytes of the row and to later ones, counted in the direction of the loop. Otherwise the rows must not touch at all.
//!   Lanes of loads and stores need not be of one width: a sum of bytes can go over what is stored as words.
//! * Two stores to one place must come in their order, so their rows must not touch.

use super::packs::{Pack, Place};

/// Distances that are allowed, as numbers of 64 bits: `distance + shift >= least`, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub shift: i64,
    pub least: u64,
}

impl Rule {
    /// Not ahead, or by a chunk and more; the same place is allowed.
    fn not_ahead(chunk: u32) -> Rule {
        Rule {
            shift: -1,
            least: u64::from(chunk) - 1,
        }
    }

    /// A chunk and more in either direction.
    fn apart(chunk: u32) -> Rule {
        Rule {
            shift: i64::from(chunk) - 1,
            least: u64::from(chunk) * 2 - 1,
        }
    }

    fn allows(self, distance: i64) -> bool {
        distance.wrapping_add(self.shift).cast_unsigned() >= self.least
    }
}

/// A check to make before the loop: of how far the store is ahead of the other row.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Group and offset.
    pub store: (usize, i64),
    pub other: (usize, i64),
    pub rule: Rule,
}

/// An access of a row.
struct Lane {
    /// Its position in the round.
    at: usize,
    /// The bytes of the row that it is about, counted from where the loop comes to them first.
    start: u32,
    end: u32,
}

/// Collects checks; `None`: the rows overlap wherever they are.
pub struct Overlaps {
    pub upwards: bool,
    pub chunk: u32,
    pub checks: Vec<Check>,
}

impl Overlaps {
    pub fn load_and_store(&mut self, load: &Pack, store: &Pack) -> Option<()> {
        let (loads, stores) = (self.lanes(load), self.lanes(store));
        // Both go on by the bytes of a row.
        if loads.last()?.end != stores.last()?.end {
            return None;
        }
        let in_front = |of: fn(&Lane, &Lane) -> bool| {
            let among = |load: &Lane| stores.iter().all(|it| !of(load, it) || load.at < it.at);
            loads.iter().all(among)
        };
        let in_place = in_front(|load, store| load.start < store.end && store.start < load.end);
        let in_order = in_front(|load, store| load.start < store.end);
        let rule = if in_order {
            Rule::not_ahead(self.chunk)
        } else {
            Rule::apart(self.chunk)
        };
        if load.group() == store.group() && load.offset() == store.offset() && in_place {
            return Some(());
        }
        self.add(store, load, rule)
    }

    /// The lanes of a row in the direction of the loop.
    fn lanes(&self, pack: &Pack) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = Vec::with_capacity(pack.lanes.len());
        let mut add = |place: &Place| {
            let start = lanes.last().map_or(0, |before| before.end);
            lanes.push(Lane {
                at: place.at,
                start,
                end: start + place.bytes,
            });
        };
        if self.upwards {
            pack.lanes.iter().for_each(&mut add);
        } else {
            pack.lanes.iter().rev().for_each(&mut add);
        }
        lanes
    }

    pub fn stores(&mut self, first: &Pack, second: &Pack) -> Option<()> {
        self.add(first, second, Rule::apart(self.chunk))
    }

    fn add(&mut self, store: &Pack, other: &Pack, rule: Rule) -> Option<()> {
        if store.group() == other.group() {
            let up = store.offset() - other.offset();
            let distance = if self.upwards { up } else { -up };
            return rule.allows(distance).then_some(());
        }
        self.checks.push(Check {
            store: (store.group(), store.offset()),
            other: (other.group(), other.offset()),
            rule,
        });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow_what_they_say() {
        for distance in -200..200i64 {
            let ahead = (1..32).contains(&distance);
            assert_eq!(Rule::not_ahead(32).allows(distance), !ahead, "{distance}");
            let touching = distance.abs() < 32;
            assert_eq!(Rule::apart(32).allows(distance), !touching, "{distance}");
        }
    }
}
