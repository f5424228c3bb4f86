//! Lanes: so many places for the same thing, each in cache lines of its own, that threads do not wait for each other's.
//!
//! A thread has a number, given out in turn when it first asks, and so a lane. Threads share a lane when there are more of them than lanes:
//! then they wait for each other's cache lines, and nothing else happens. Nothing depends on being in one lane or another.
//!
//! Invariants: the number of lanes is a power of two and the same for the whole life of the process.

mod number;
mod tally;

pub use tally::{Line, Tally};

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence};

/// Lanes for each processor that the process may use: threads that never make instances take numbers too, if they release some.
const FOR_EACH: usize = 4;
const LEAST: usize = 8;
const MOST: usize = 64;

/// How many lanes there are, once somebody has asked; 0 before.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The number of the next thread, from 1.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// How many lanes there are.
pub fn count() -> usize {
    match COUNT.load(Ordering::Relaxed) {
        0 => decide(),
        count => count,
    }
}

#[cold]
fn decide() -> usize {
    // SAFETY: zeros are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the size given.
    let known = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } == 0;
    let processors = if known {
        // SAFETY: reads the set.
        unsafe { libc::CPU_COUNT(&set) as usize }
    } else {
        1
    };
    let wanted = (processors * FOR_EACH)
        .next_power_of_two()
        .clamp(LEAST, MOST);
    // Another thread may have been faster, and have been allowed other processors.
    match COUNT.compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => wanted,
        Err(decided) => decided,
    }
}

/// This thread's lane, where there are so many, a power of two.
#[inline]
pub fn mine(lanes: usize) -> usize {
    let number = match number::get() {
        0 => take_number(),
        number => number,
    };
    number & (lanes - 1)
}

#[cold]
fn take_number() -> usize {
    // 0 after as many threads as there are numbers: then that thread asks again.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    number::set(number);
    number
}

/// One of something for each lane.
///
/// # Errors
///
/// `NoMemory`.
pub fn one_for_each<T>(make: impl FnMut() -> T, what: &str) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count())
        .map_err(|_| Error::no_memory(what))?;
    all.extend(std::iter::repeat_with(make).take(count()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_begin_one_after_the_other_have_different_lanes() {
        let lanes = count();
        assert!(lanes.is_power_of_two() && (LEAST..=MOST).contains(&lanes));
        assert_eq!(mine(lanes), mine(lanes));
        let theirs = || std::thread::spawn(move || mine(1 << 30)).join();
        let all = [theirs().ok(), theirs().ok(), Some(mine(1 << 30))];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    }
}
