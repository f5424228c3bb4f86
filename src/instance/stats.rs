//! What an instance has used since it is new.

use super::{Handle, live, memory};
use crate::error::Result;

/// Counts of one instance; they begin again with a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time, as far as it was measured: entries that a CPU budget made the library measure.
    pub cpu_ns: u64,
    /// Entries from outside; a resume is not one.
    pub entries: u64,
    /// How often a host function suspended it.
    pub suspensions: u64,
    /// How often a slice ended.
    pub slices: u64,
    /// Calls of host functions.
    pub host_calls: u64,
    /// Bytes of all linear memories.
    pub memory_bytes: u64,
    /// The most bytes of linear memory that it has had.
    pub peak_memory_bytes: u64,
}

/// The counts now.
///
/// # Errors
///
/// `Stale`, `WrongProcess`.
pub fn stats(handle: Handle) -> Result<Stats> {
    let (block, inner) = live(handle)?;
    let memory = memory::total_bytes(block, inner);
    Ok(Stats {
        cpu_ns: block.times.cpu_measured.get(),
        entries: block.entries.get(),
        suspensions: inner.tally.suspensions.get(),
        slices: inner.tally.slices.get(),
        host_calls: block.host_calls.get(),
        memory_bytes: memory,
        peak_memory_bytes: inner.tally.peak_memory.get().max(memory),
    })
}
