//! Which accesses to memory have been found to lie inside, so that they need not be compared again.
//!
//! Memories neither move nor shrink, so what has been found once holds for the rest of the function, wherever the finding's
//! block dominates: calls and growth change nothing. With structured control flow that is until the frame ends in which it was
//! found. What is remembered is the base that the check has selected: where the check failed it is the trap address, so that an
//! access from it traps, too, and a mispredicted one reads nothing.

use cranelift_codegen::ir::Value;

/// How many findings are looked at, the latest first: registers cannot hold more, and looking takes time.
const LOOK_BACK: usize = 16;

/// See the file's header.
#[derive(Default)]
pub(super) struct Checks {
    known: Vec<Check>,
    /// What was known when each frame was opened.
    marks: Vec<usize>,
}

struct Check {
    memory: u32,
    index: Value,
    /// The first byte behind what was compared, from the index on.
    end: u64,
    base: Value,
}

impl Checks {
    /// A frame is opened.
    pub(super) fn open(&mut self) {
        self.marks.push(self.known.len());
    }

    /// The other side of the innermost frame begins.
    pub(super) fn begin_other_side(&mut self) {
        if let Some(mark) = self.marks.last() {
            self.known.truncate(*mark);
        }
    }

    /// The innermost frame ends.
    pub(super) fn close(&mut self) {
        self.begin_other_side();
        self.marks.pop();
    }

    /// Notes that `end` bytes from the index on have been compared, which gave this base.
    pub(super) fn note(&mut self, memory: u32, index: Value, end: u64, base: Value) {
        self.known.push(Check {
            memory,
            index,
            end,
            base,
        });
    }

    /// The base for accesses that end at most at `end`, if that has been compared.
    pub(super) fn find(&self, memory: u32, index: Value, end: u64) -> Option<Value> {
        let latest = self.known.iter().rev().take(LOOK_BACK);
        let same = |check: &&Check| check.memory == memory && check.index == index;
        let mut found = latest.filter(same).filter(|check| check.end >= end);
        found.next().map(|check| check.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_in_a_frame_ends_with_it() {
        let [one, two, base] = [1, 2, 3].map(Value::from_u32);
        let mut checks = Checks::default();
        checks.open();
        checks.note(0, one, 8, base);
        assert_eq!(checks.find(0, one, 8), Some(base));
        assert_eq!(checks.find(0, one, 9), None);
        assert_eq!(checks.find(1, one, 8), None);
        assert_eq!(checks.find(0, two, 1), None);
        checks.open();
        checks.note(0, two, 4, base);
        assert!(checks.find(0, two, 4).is_some() && checks.find(0, one, 4).is_some());
        checks.begin_other_side();
        assert!(checks.find(0, two, 4).is_none() && checks.find(0, one, 4).is_some());
        checks.note(0, two, 4, base);
        checks.close();
        assert!(checks.find(0, two, 4).is_none() && checks.find(0, one, 4).is_some());
    }
}
