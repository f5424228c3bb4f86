//! Forgetting hot pages that are not written any more.
//!
//! A sealed memory's hot pages are copied at each reset, whether the guest has written them or not: nobody tells. So now and then
//! a reset gives them back to the kernel instead, and the reset after that asks which of them have been written since: one
//! sample. After [`SAMPLES`] of them, pages that were in none are cold again. Samples cost system calls and page faults, so they
//! are taken rarely, of large sets only, and more rarely, down to one in [`LAST_INTERVAL`] resets, while they find nothing.

use super::{Region, pagemap, seal};
use crate::control::ControlBlock;
use crate::error::Result;
use crate::hot::{FIRST_INTERVAL, HotSet, Sampling};
use crate::module::InitialMemory;

/// Sets up to this size are left alone: copying them costs less than knowing better.
const SMALL: u64 = 32;
/// Samples that a decision is made of.
const SAMPLES: u32 = 3;
/// Resets between samples at most.
const LAST_INTERVAL: u32 = 1024;

/// Restores the hot pages of a sealed memory, and takes samples.
///
/// # Safety
///
/// As [`seal::restore`].
pub(super) unsafe fn restore_hot(
    region: &Region,
    block: &ControlBlock,
    initial: &InitialMemory,
) -> Result<()> {
    let hot = block.hot.get();
    if hot.pages() <= SMALL {
        // SAFETY: the caller's promise; hot pages can be written.
        unsafe { seal::copy_resident(block, initial, hot.ranges()) };
        return Ok(());
    }
    let mut sampling = block.sampling.get();
    let sampled = std::mem::take(&mut sampling.running);
    if sampled && let Some(smaller) = end_sample(block, initial, &mut sampling, &hot) {
        block.sampling.set(sampling);
        // SAFETY: the caller's promise.
        return unsafe { seal::reseal(region, block, initial, smaller) };
    }
    sampling.left = sampling.left.saturating_sub(1);
    if sampling.left == 0 {
        sampling.left = sampling.interval;
        sampling.running = seal::give_back(region, block, hot.ranges())?;
    }
    if sampled && !sampling.running {
        // What this guest has not written is not in memory since the sample began.
        // SAFETY: the caller's promise; hot pages can be written.
        unsafe { seal::copy(block, initial, hot.ranges()) };
    } else if !sampling.running {
        // SAFETY: the caller's promise; hot pages can be written.
        unsafe { seal::copy_resident(block, initial, hot.ranges()) };
    }
    block.sampling.set(sampling);
    Ok(())
}

/// Takes a sample in, and decides when there are enough. `Some`: a set that is at most half as large.
fn end_sample(
    block: &ControlBlock,
    initial: &InitialMemory,
    sampling: &mut Sampling,
    hot: &HotSet,
) -> Option<HotSet> {
    let written = pagemap::written(block.memory_low.get(), seal::page_count(initial.bytes))?;
    sampling.seen = sampling.seen.union(&written);
    sampling.samples += 1;
    if sampling.samples < SAMPLES {
        return None;
    }
    let seen = sampling.seen;
    (sampling.samples, sampling.seen) = (0, HotSet::EMPTY);
    if seen.pages() <= hot.pages() / 2 {
        sampling.interval = FIRST_INTERVAL;
        return Some(seen);
    }
    sampling.interval = sampling.interval.saturating_mul(2).min(LAST_INTERVAL);
    None
}
