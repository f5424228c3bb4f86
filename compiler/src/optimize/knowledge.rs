//! What is known at one point of a function because of what lies before it on every way there: outcomes of branches, and
//! accesses that have not trapped. It follows a walk over the dominator tree, and is taken back on leaving a block.

use super::interval::Interval;
use cranelift_codegen::ir::Value;
use rustc_hash::FxHashMap;

/// An access to `value`, which is `root + distance`, has gone well.
#[derive(Clone, Copy)]
pub struct Reached {
    pub distance: u64,
    pub value: Value,
    /// So the value is at most this.
    pub most: u64,
}

#[derive(Default)]
pub struct Knowledge {
    intervals: FxHashMap<Value, Interval>,
    reached: FxHashMap<Value, Vec<Reached>>,
    log: Vec<Change>,
}

enum Change {
    Interval(Value, Option<Interval>),
    Reached(Value),
}

/// A point to go back to.
#[derive(Clone, Copy)]
pub struct Mark(usize);

impl Knowledge {
    pub fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Forgets what has been learnt since.
    pub fn go_back(&mut self, mark: Mark) {
        while self.log.len() > mark.0 {
            match self.log.pop() {
                Some(Change::Interval(value, Some(before))) => {
                    self.intervals.insert(value, before);
                }
                Some(Change::Interval(value, None)) => {
                    self.intervals.remove(&value);
                }
                Some(Change::Reached(root)) => {
                    if let Some(known) = self.reached.get_mut(&root) {
                        known.pop();
                    }
                }
                None => {}
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    pub fn interval(&self, value: Value) -> Option<Interval> {
        self.intervals.get(&value).copied()
    }

    /// From here on the value lies in this interval, too.
    pub fn narrow(&mut self, value: Value, to: Interval) {
        let before = self.interval(value);
        let now = before.map_or(to, |known| known.meet(to));
        if before != Some(now) {
            self.intervals.insert(value, now);
            self.log.push(Change::Interval(value, before));
        }
    }

    /// The sums with this root that accesses have reached, the first one first.
    pub fn reached(&self, root: Value) -> &[Reached] {
        self.reached.get(&root).map_or(&[], Vec::as_slice)
    }

    pub fn reach(&mut self, root: Value, reached: Reached) {
        self.reached.entry(root).or_default().push(reached);
        self.log.push(Change::Reached(root));
    }
}
