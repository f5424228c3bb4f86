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
    start: i64,
    end: i64,
}

/// Collects checks; `None`: the rows overlap wherever they are.
pub struct Overlaps {
    pub upwards: bool,
    pub chunk: u32,
    pub checks: Vec<Check>,
}

impl Overlaps {
    pub fn load_and_store(&mut self, load: &Pack, store: &Pack) -> Option<()> {
        // All rows go on by as many bytes as they have.
        if load.bytes() != store.bytes() {
            return None;
        }
        let (loads, stores) = (self.lanes(load), self.lanes(store));
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

    /// What the accesses of a row are about.
    fn lanes(&self, pack: &Pack) -> Vec<Lane> {
        let (first, end) = (pack.offset(), pack.offset() + pack.bytes());
        let lane = |place: &Place| {
            let behind = place.offset + i64::from(place.bytes);
            let (start, end) = if self.upwards {
                (place.offset - first, behind - first)
            } else {
                (end - behind, end - place.offset)
            };
            let at = place.at;
            Lane { at, start, end }
        };
        pack.lanes.iter().map(lane).collect()
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

    fn overlaps(upwards: bool) -> Overlaps {
        Overlaps {
            upwards,
            chunk: 32,
            checks: Vec::new(),
        }
    }

    /// A row whose lanes have so many bytes and are accessed at these places in a round.
    fn row(group: usize, bytes: u32, ats: &[usize]) -> Pack {
        let place = |(lane, at): (u32, &usize)| Place {
            at: *at,
            group,
            offset: i64::from(lane * bytes),
            bytes,
        };
        Pack::of((0..).zip(ats).map(place).collect()).expect("they are adjacent")
    }

    #[test]
    fn loads_come_before_stores_to_their_bytes_whatever_their_widths() {
        for upwards in [true, false] {
            let allowed = |loads: [usize; 4], stores: [usize; 2]| {
                let (loads, stores) = (row(0, 1, &loads), row(0, 2, &stores));
                let found = overlaps(upwards).load_and_store(&loads, &stores);
                found.is_some()
            };
            assert!(allowed([0, 1, 2, 3], [4, 5]));
            assert!(allowed([0, 1, 3, 4], [2, 5]));
            assert!(allowed([3, 4, 0, 1], [5, 2]));
            assert!(!allowed([0, 3, 1, 4], [2, 5]));
            assert!(!allowed([0, 1, 2, 5], [3, 4]));
        }
    }

    #[test]
    fn later_bytes_are_those_that_the_loop_comes_to_later() {
        let in_order = |upwards, loads: [usize; 2], stores: [usize; 2]| {
            let mut overlaps = overlaps(upwards);
            overlaps.load_and_store(&row(0, 1, &loads), &row(1, 1, &stores));
            let rules = overlaps.checks.iter().map(|check| check.rule);
            rules.collect::<Vec<_>>() == [Rule::not_ahead(32)]
        };
        // The load in the middle comes behind the store to the other byte, which is an earlier one in one direction.
        assert!(in_order(true, [0, 2], [1, 3]));
        assert!(!in_order(false, [0, 2], [1, 3]));
        assert!(in_order(false, [2, 0], [3, 1]));
        assert!(!in_order(true, [2, 0], [3, 1]));
    }

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
