//! What happens in a region, counted: here what happens rarely. What happens in every cycle is counted by each slot, whose owner is
//! the only one who does.

use crate::control::ControlBlock;
use lucet_format::trap::TrapCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows of the table of traps: every number that a trap can have, with room.
pub const TRAP_ROWS: usize = 32;
const _: () = assert!(TrapCode::ALL.len() < TRAP_ROWS);

/// Counters, raised by whoever does the thing.
#[derive(Debug, Default)]
pub struct Counters {
    /// Entries that ended in a trap.
    pub trapped: AtomicU64,
    /// Entries that were ended from outside.
    pub terminated: AtomicU64,
    /// Traps by number.
    pub traps: [AtomicU64; TRAP_ROWS],
    /// Instances that are suspended or preempted now.
    pub waiting: AtomicU64,
    /// How often slots had to give back what they keep.
    pub given_back: AtomicU64,
    /// Resets and releases that did not restore memory by copying alone.
    pub restored_slowly: AtomicU64,
}

/// The counters at one moment, and what else there is to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionStats {
    /// Slots.
    pub capacity: u64,
    /// Slots with an instance.
    pub live: u64,
    /// Instances made since the region was.
    pub created: u64,
    /// Resets.
    pub reset: u64,
    /// Instances released.
    pub released: u64,
    /// Entries that ended in a trap.
    pub trapped: u64,
    /// Entries that were ended from outside.
    pub terminated: u64,
    /// Bytes of slots that are in memory at present: stacks, state, tables, linear memory.
    pub resident_bytes: u64,
    /// Address space.
    pub reserved_bytes: u64,
    /// Traps by number.
    pub traps: [u64; TRAP_ROWS],
    /// Instances that are suspended or preempted now.
    pub waiting: u64,
    /// Stops that had to wait for a host function.
    pub deferred: u64,
    /// Signals of the host's that guests made the kernel drop, in the whole process.
    pub lost_signals: u64,
    /// Bytes that slots keep in memory for their next guests, as the budget counts.
    pub kept_bytes: u64,
    /// How often slots gave them back for the budget, or when the region was trimmed.
    pub given_back: u64,
    /// Resets and releases that have restored memory by copying alone. Nobody counts them: they are the others.
    pub restored_fast: u64,
    /// Those that have not.
    pub restored_slowly: u64,
    /// How often a sealed memory was opened.
    pub opened: u64,
}

impl Counters {
    /// Counts one of something.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a trap.
    pub fn count_trap(&self, number: u32) {
        Self::count(&self.trapped);
        if let Some(row) = self.traps.get(number as usize) {
            Self::count(row);
        }
    }

    /// The counters now.
    pub fn snapshot(&self) -> RegionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RegionStats {
            restored_slowly: read(&self.restored_slowly),
            trapped: read(&self.trapped),
            terminated: read(&self.terminated),
            waiting: read(&self.waiting),
            given_back: read(&self.given_back),
            traps: std::array::from_fn(|row| read(&self.traps[row])),
            ..RegionStats::default()
        }
    }
}

impl RegionStats {
    /// Adds what a slot has counted.
    pub(super) fn add_slot(&mut self, block: &ControlBlock) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.created += read(&block.created);
        self.reset += read(&block.resets);
        self.released += read(&block.released);
        self.deferred += read(&block.deferred);
        self.opened += read(&block.opened);
        self.restored_fast = (self.reset + self.released).saturating_sub(self.restored_slowly);
    }
}
