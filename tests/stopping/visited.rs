//! Where stops have come: how many, at how many different instructions, and of whose code; and which instructions have been executed
//! where one could have come.
//!
//! Noted by signal handlers: tables of fixed size, without locks. Not here: what came of the stops.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

const PLACES: usize = 1 << 16;
type Table = [AtomicU64; PLACES];
static STOPPED: Table = [const { AtomicU64::new(0) }; PLACES];
static PASSED: Table = [const { AtomicU64::new(0) }; PLACES];
static STOPS: AtomicU64 = AtomicU64::new(0);
static GUESTS: AtomicU64 = AtomicU64::new(0);

/// Marks places in guests' code, which are a guest's number and the distance from the start of its text.
const GUEST: u64 = 1 << 62;

/// Another module is the one that runs from now on.
pub fn next_guest() {
    GUESTS.fetch_add(1, Ordering::Relaxed);
}

/// Nothing has been executed.
pub fn forget_passed() {
    for place in &PASSED {
        place.store(0, Ordering::Relaxed);
    }
}

/// A stop comes at this instruction, `within` a guest's text or nowhere in it.
pub fn stopped(pc: usize, within: Option<usize>) {
    STOPS.fetch_add(1, Ordering::Relaxed);
    note(&STOPPED, pc, within);
}

/// This instruction is about to be executed. Answers whether no stop has come there.
pub fn passed(pc: usize, within: Option<usize>) -> bool {
    note(&PASSED, pc, within);
    let key = key(pc, within);
    let found = probe(key).map(|place| STOPPED[place].load(Ordering::Relaxed));
    found
        .take_while(|other| *other != 0)
        .all(|other| other != key)
}

fn note(table: &Table, pc: usize, within: Option<usize>) {
    let key = key(pc, within);
    for place in probe(key) {
        match table[place].compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
            Err(other) if other != key => {}
            _ => return,
        }
    }
}

fn key(pc: usize, within: Option<usize>) -> u64 {
    within.map_or(pc as u64, |distance| {
        distance as u64 | GUESTS.load(Ordering::Relaxed) << 40 | GUEST
    })
}

fn probe(key: u64) -> impl Iterator<Item = usize> {
    let start = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
    (start..PLACES).chain(0..start)
}

fn places(table: &Table) -> BTreeSet<u64> {
    let places = table.iter().map(|place| place.load(Ordering::Relaxed));
    places.filter(|key| *key != 0).collect()
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

/// Counts instructions at which stops have come.
pub fn count() -> Visited {
    count_of(&places(&STOPPED))
}

/// Counts instructions that were executed and at which no stop has come, and those that were executed.
pub fn missed() -> (Visited, Visited) {
    let (passed, stopped) = (places(&PASSED), places(&STOPPED));
    let missed = passed.difference(&stopped).copied().collect();
    (count_of(&missed), count_of(&passed))
}

fn count_of(places: &BTreeSet<u64>) -> Visited {
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
