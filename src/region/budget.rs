//! The region's budget: how much memory its slots may keep for their next guests, all together.
//!
//! A slot keeps its hot pages, and the used parts of stack, tables and state. How much that is, is known without asking the
//! kernel, and noted in the control block when a guest's memory has been restored; nothing happens here as long as it stays
//! the same. When the sum exceeds the budget, the slots that have been free for longest give their memory back, and if there are
//! none, the slot that wanted more does. What guests use while they run is not the budget's concern.
//!
//! Invariant: `kept` of the region is the sum of `kept` of its blocks, but for what other threads are just changing.

use super::{Region, stack};
use crate::control::ControlBlock;
use std::sync::atomic::Ordering;

/// Whether a slot may keep `wanted` bytes; notes it if so. Otherwise the caller gives the memory back: it keeps none.
pub(super) fn keep(region: &Region, block: &ControlBlock, wanted: u64) -> bool {
    let before = block.kept.load(Ordering::Relaxed);
    if wanted == before {
        return true;
    }
    let total = note(region, block, wanted);
    let budget = region.config.budget_bytes;
    if budget == 0 || total <= budget || wanted < before {
        return true;
    }
    while region.kept.load(Ordering::Relaxed) > budget && evict_coldest(region) {}
    if region.kept.load(Ordering::Relaxed) <= budget {
        return true;
    }
    note(region, block, 0);
    region.count_given_back();
    false
}

/// As [`keep`], but takes nothing from others.
pub(super) fn fits(region: &Region, block: &ControlBlock, wanted: u64) -> bool {
    let fits = has_room(region, block, wanted);
    if fits {
        note(region, block, wanted);
    }
    fits
}

/// Whether a slot could keep `wanted` bytes without taking from others.
pub(super) fn has_room(region: &Region, block: &ControlBlock, wanted: u64) -> bool {
    let budget = region.config.budget_bytes;
    let others = region
        .kept
        .load(Ordering::Relaxed)
        .saturating_sub(block.kept.load(Ordering::Relaxed));
    budget == 0 || others.saturating_add(wanted) <= budget
}

/// Notes what a slot keeps, and answers what all keep.
fn note(region: &Region, block: &ControlBlock, bytes: u64) -> u64 {
    let before = block.kept.swap(bytes, Ordering::Relaxed);
    let change = bytes.wrapping_sub(before);
    region
        .kept
        .fetch_add(change, Ordering::Relaxed)
        .wrapping_add(change)
}

/// Has the slot that has been free for longest give its memory back. False: no free slot keeps any.
pub(super) fn evict_coldest(region: &Region) -> bool {
    let evicted = region.free.coldest(|slot| {
        region.block(slot).is_some_and(|block| {
            block.kept.load(Ordering::Relaxed) > 0 && give_back(region, block, slot)
        })
    });
    if evicted {
        region.count_given_back();
    }
    evicted
}

/// Gives back all memory of a slot without an instance: it is clean, so it holds the same afterwards, except in compact regions,
/// where nothing but zeros is left. False: the kernel refuses.
pub(super) fn give_back(region: &Region, block: &ControlBlock, slot: u32) -> bool {
    let from = region.layout.start(slot) + region.layout.stack;
    let length =
        region.layout.memory - region.layout.stack + block.accessible.load(Ordering::Relaxed);
    let all = region.slots().give_back(from as usize, length as usize) == Ok(true);
    if all {
        stack::forget(block);
        if region.is_compact() {
            block.tenant.store(0, Ordering::Relaxed);
            block.accessible.store(0, Ordering::Relaxed);
        }
        note(region, block, 0);
    }
    all
}
