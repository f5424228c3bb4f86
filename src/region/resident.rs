//! How much memory a region's slots occupy. For statistics: it asks the kernel about every slot that has been used.

use super::Region;
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// Pages that are asked about at a time.
const WINDOW: usize = 4096;

/// Bytes of all slots that are in memory.
pub(super) fn bytes(region: &Region) -> u64 {
    let layout = &region.layout;
    let used = (0..region.config.instances).filter_map(|slot| Some((slot, region.block(slot)?)));
    let pages: u64 = used
        .filter(|(_, block)| block.prepared.load(Ordering::Relaxed))
        .map(|(slot, block)| {
            let start = region.slots().base() as u64 + u64::from(slot) * layout.stride;
            let end = start + layout.memory + block.accessible.load(Ordering::Relaxed);
            resident_pages(start + layout.stack, end)
        })
        .sum();
    pages * PAGE_SIZE
}

fn resident_pages(from: u64, to: u64) -> u64 {
    let mut window = [0u8; WINDOW];
    let mut pages = 0;
    let mut at = from;
    while at < to {
        let length = (to - at).min(WINDOW as u64 * PAGE_SIZE);
        // SAFETY: the range is part of the region's own mapping, and the window has a byte for each of its pages.
        let failed =
            unsafe { libc::mincore(at as *mut _, length as usize, window.as_mut_ptr()) } != 0;
        if !failed {
            let asked = length.div_ceil(PAGE_SIZE) as usize;
            pages += window[..asked]
                .iter()
                .filter(|page| **page & 1 != 0)
                .count() as u64;
        }
        at += length;
    }
    pages
}
