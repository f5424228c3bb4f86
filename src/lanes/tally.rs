//! A count of users that many threads change at once, each in its own lane, and that is looked at only when it is about to end.
//!
//! ```text
//!   open      lane 0: +2   lane 1: -1   lane 2: 0 ....     who leaves in another lane than he came in leaves that one short
//!   closed    every lane says so, and their sum is in `rest`, where the last one who leaves finds 0
//! ```
//!
//! Invariants: whoever enters knows that the tally is open until he has; a lane's count does not change any more once it has been added to
//! `rest`; one caller of [`Tally::leave`] or [`Tally::close`] gets `true`, after everything that others have done before they left.
//!
//! `tests/models` compiles this file a second time, with loom's atomics. So it names nothing of the crate but what its parent brings:
//! `AtomicI64`, `Ordering`, `fence`.

use super::{AtomicI64, Ordering, fence};

/// Of a lane: the count has been taken over.
const CLOSED: i64 = 1;
/// One user, in a lane.
const ONE: i64 = 2;
/// In `rest` until all lanes are closed: more than there are users.
const OPEN: i64 = 1 << 62;

/// One lane's count, alone in the cache lines that processors fetch together.
#[derive(Debug)]
#[repr(align(128))]
pub struct Line(AtomicI64);

impl Line {
    /// Nobody has come or gone.
    pub fn new() -> Line {
        Line(AtomicI64::new(0))
    }
}

/// See the file's header.
#[derive(Debug)]
pub struct Tally {
    lines: Vec<Line>,
    rest: AtomicI64,
}

impl Tally {
    /// An open tally without users. There is at least one line.
    pub fn new(lines: Vec<Line>) -> Tally {
        Tally {
            lines,
            rest: AtomicI64::new(OPEN),
        }
    }

    /// How many lanes it has.
    pub fn lanes(&self) -> usize {
        self.lines.len()
    }

    /// One more user. The tally is open, and stays so until this returns.
    #[inline]
    pub fn enter(&self, lane: usize) {
        if let Some(line) = self.lines.get(lane) {
            line.0.fetch_add(ONE, Ordering::Relaxed);
        }
    }

    /// One user less. True: it was the last one of a tally that is closed.
    #[inline]
    pub fn leave(&self, lane: usize) -> bool {
        let Some(line) = self.lines.get(lane) else {
            return false;
        };
        if line.0.fetch_sub(ONE, Ordering::Release) & CLOSED == 0 {
            return false;
        }
        self.leave_closed()
    }

    #[cold]
    fn leave_closed(&self) -> bool {
        let last = self.rest.fetch_sub(1, Ordering::Release) == 1;
        if last {
            fence(Ordering::Acquire);
        }
        last
    }

    /// Nobody enters any more. True: nobody is there any more either. To be called once.
    pub fn close(&self) -> bool {
        let lanes = self.lines.iter();
        let users: i64 = lanes
            .map(|line| line.0.fetch_or(CLOSED, Ordering::AcqRel) / ONE)
            .sum();
        self.rest.fetch_add(users - OPEN, Ordering::AcqRel) + users == OPEN
    }
}
