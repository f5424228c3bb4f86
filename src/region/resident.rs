//! How much memory a region's slots occupy. For statistics: it asks the kernel about every slot that has been used.

use super::{Region, pagemap};
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// Bytes of all slots that are in memory and belong to nobody else: pages of a module's data that no guest has written are shared
/// by all of its instances. 0 where the kernel does not say.
pub(super) fn bytes(region: &Region) -> u64 {
    let layout = &region.layout;
    let used = (0..region.config.instances).filter_map(|slot| Some((slot, region.block(slot)?)));
    let mappings = used
        .filter(|(_, block)| block.prepared.load(Ordering::Relaxed))
        .map(|(slot, block)| {
            let start = region.slots().base() as u64 + layout.start(slot) + layout.stack;
            let length = layout.memory - layout.stack + block.accessible.load(Ordering::Relaxed);
            (start as usize, (length / PAGE_SIZE) as u32)
        });
    pagemap::count_all_written(mappings) * PAGE_SIZE
}
