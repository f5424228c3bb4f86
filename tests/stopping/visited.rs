//! Where stops have come: how many, at how many different instructions, and of whose code.
//!
//! Noted by signal handlers: a table of fixed size, without locks. Not here: what came of the stops.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

const PLACES: usize = 1 << 16;
static TABLE: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];
static STOPS: AtomicU64 = AtomicU64::new(0);

/// Marks places in guests' code, which are distances from the start of its text: the module is another in each test, its code is not.
const GUEST: u64 = 1 << 62;

/// A stop comes at this instruction, `within` a guest's text or nowhere in it.
pub fn note(pc: usize, within: Option<usize>) {
    STOPS.fetch_add(1, Ordering::Relaxed);
    let key = within.map_or(pc as u64, |distance| distance as u64 | GUEST);
    let start = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
    for place in (start..PLACES).chain(0..start) {
        match TABLE[place].compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
            Err(other) if other != key => {}
            _ => return,
        }
    }
}

/// What has been noted in this process.
pub struct Visited {
    /// All stops.
    pub stops: u64,
    /// Different instructions of guests.
    pub guests: usize,
    /// Of the trampolines.
    pub trampolines: usize,
    /// Of the library's other code, and what it calls.
    pub library: usize,
}

/// Counts.
pub fn count() -> Visited {
    let places = TABLE.iter().map(|place| place.load(Ordering::Relaxed));
    let places: BTreeSet<u64> = places.filter(|key| *key != 0).collect();
    let (first, end) = lucet::context::trampolines();
    let trampolines = places.range(first as u64..end as u64).count();
    let guests = places.range(GUEST..).count();
    Visited {
        stops: STOPS.load(Ordering::Relaxed),
        guests,
        trampolines,
        library: places.len() - trampolines - guests,
    }
}

/// Prints the counts; with `--nocapture` the last line is that of all tests.
#[expect(
    clippy::print_stdout,
    reason = "the figures that docs/stopping.md quotes"
)]
pub fn report() {
    let so_far = count();
    println!(
        "so far {} stops, at {} instructions of guests, {} of trampolines, {} of the library",
        so_far.stops, so_far.guests, so_far.trampolines, so_far.library
    );
}
