//! The pages of a linear memory that its guests are known to write: a few ranges, small enough to be restored by copying.
//!
//! Pure arithmetic on page numbers, counted from the memory's start.

/// The most ranges. Each costs two mappings of the kernel's and some nanoseconds at each reset.
pub const RANGES: usize = 3;

/// Pages that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// The first one.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Pages {
    /// One past the last one.
    pub fn end(self) -> u32 {
        self.first + self.count
    }
}

/// Ranges that ascend and do not touch each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HotSet {
    ranges: [Pages; RANGES],
    count: usize,
}

impl HotSet {
    /// No pages.
    pub const EMPTY: HotSet = HotSet {
        ranges: [Pages { first: 0, count: 0 }; RANGES],
        count: 0,
    };

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Pages] {
        self.ranges.get(..self.count).unwrap_or(&[])
    }

    /// One range, if it is not empty.
    pub fn of(range: Pages) -> HotSet {
        let mut only = Cover::default();
        if range.count > 0 {
            only.add(range);
        }
        only.set()
    }

    /// How many pages.
    pub fn pages(&self) -> u64 {
        self.ranges()
            .iter()
            .map(|range| u64::from(range.count))
            .sum()
    }

    /// Whether all pages of a range belong to the set.
    pub fn contains(&self, wanted: Pages) -> bool {
        self.ranges()
            .iter()
            .any(|range| range.first <= wanted.first && wanted.end() <= range.end())
    }

    /// The ranges between the set's, up to `end`.
    pub fn gaps(&self, end: u32) -> impl Iterator<Item = Pages> + '_ {
        let starts = std::iter::once(0).chain(self.ranges().iter().map(|range| range.end()));
        let ends = self
            .ranges()
            .iter()
            .map(|range| range.first)
            .chain(std::iter::once(end));
        starts
            .zip(ends)
            .filter(|(start, end)| start < end)
            .map(|(first, end)| Pages {
                first,
                count: end - first,
            })
    }

    /// Both sets together, with as little more as [`RANGES`] ranges allow.
    pub fn union(&self, other: &HotSet) -> HotSet {
        let mut all = Cover::default();
        let (mut one, mut two) = (
            self.ranges().iter().peekable(),
            other.ranges().iter().peekable(),
        );
        loop {
            let next = match (one.peek(), two.peek()) {
                (Some(a), Some(b)) if a.first <= b.first => one.next(),
                (_, Some(_)) => two.next(),
                _ => one.next(),
            };
            match next {
                Some(range) => all.add(*range),
                None => return all.set(),
            }
        }
    }
}

/// Collects ranges in ascending order of their starts; when there are too many, the two with the smallest gap become one.
#[derive(Debug, Default)]
pub struct Cover {
    ranges: [Pages; RANGES + 1],
    count: usize,
}

impl Cover {
    /// Adds a range that does not start before those added so far.
    pub fn add(&mut self, range: Pages) {
        if let Some(last) = self
            .count
            .checked_sub(1)
            .and_then(|last| self.ranges.get_mut(last))
            && range.first <= last.end()
        {
            last.count = last.count.max(range.end() - last.first);
            return;
        }
        if let Some(place) = self.ranges.get_mut(self.count) {
            *place = range;
            self.count += 1;
        }
        if self.count > RANGES {
            self.join_nearest();
        }
    }

    fn join_nearest(&mut self) {
        let gap = |index: usize| self.ranges[index + 1].first - self.ranges[index].end();
        let nearest = (0..RANGES).min_by_key(|index| gap(*index)).unwrap_or(0);
        let joined = self.ranges[nearest + 1].end();
        self.ranges[nearest].count = joined - self.ranges[nearest].first;
        self.ranges.copy_within(nearest + 2.., nearest + 1);
        self.count = RANGES;
    }

    /// What has been added, and the gaps that had to be filled.
    pub fn set(&self) -> HotSet {
        let mut set = HotSet {
            ranges: [Pages::default(); RANGES],
            count: self.count.min(RANGES),
        };
        set.ranges.copy_from_slice(&self.ranges[..RANGES]);
        set
    }
}

/// Resets between samples at first.
pub const FIRST_INTERVAL: u32 = 64;

/// How far the sampling of a slot's hot pages is: `region::probe` says what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Resets until the next sample.
    pub left: u32,
    /// Resets between samples.
    pub interval: u32,
    /// Whether the hot pages were given back at the last reset.
    pub running: bool,
    /// Samples so far.
    pub samples: u32,
    /// What they have found.
    pub seen: HotSet,
}

impl Sampling {
    /// Nothing sampled yet.
    pub const NONE: Sampling = Sampling {
        left: FIRST_INTERVAL,
        interval: FIRST_INTERVAL,
        running: false,
        samples: 0,
        seen: HotSet::EMPTY,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cover(ranges: &[(u32, u32)]) -> HotSet {
        let mut cover = Cover::default();
        ranges.iter().for_each(|(first, count)| {
            cover.add(Pages {
                first: *first,
                count: *count,
            })
        });
        cover.set()
    }

    fn listed(set: &HotSet) -> Vec<(u32, u32)> {
        set.ranges()
            .iter()
            .map(|range| (range.first, range.count))
            .collect()
    }

    #[test]
    fn neighbours_become_one_range() {
        assert_eq!(listed(&cover(&[(0, 1), (1, 2), (5, 1)])), [(0, 3), (5, 1)]);
        assert_eq!(listed(&cover(&[])), []);
    }

    #[test]
    fn the_smallest_gaps_are_filled() {
        assert_eq!(
            listed(&cover(&[(0, 1), (10, 1), (12, 1), (100, 1)])),
            [(0, 1), (10, 3), (100, 1)]
        );
        assert_eq!(
            listed(&cover(&[(0, 1), (2, 1), (50, 1), (90, 1), (91, 4)])),
            [(0, 3), (50, 1), (90, 5)]
        );
    }

    #[test]
    fn unions_hold_both() {
        let one = cover(&[(0, 2), (20, 2)]);
        let two = cover(&[(1, 4), (40, 1), (60, 1)]);
        let both = one.union(&two);
        assert_eq!(listed(&both), [(0, 22), (40, 1), (60, 1)]);
        for set in [one, two] {
            assert!(set.ranges().iter().all(|range| both.contains(*range)));
        }
        assert_eq!(HotSet::EMPTY.union(&one), one);
    }

    #[test]
    fn gaps_are_the_rest() {
        let set = cover(&[(0, 2), (5, 1)]);
        let gaps: Vec<_> = set.gaps(9).map(|gap| (gap.first, gap.count)).collect();
        assert_eq!(gaps, [(2, 3), (6, 3)]);
        assert_eq!(HotSet::EMPTY.gaps(4).count(), 1);
        assert_eq!(cover(&[(0, 4)]).gaps(4).count(), 0);
    }
}
