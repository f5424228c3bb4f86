//! A region: slots of address space, reserved up front, in which instances live one after the other.
//!
//! Invariants:
//! * a slot on the free list has no instance, its memory reads as zero or is inaccessible, its state and tables are zero;
//! * a region belongs to the process that made it; in any other it only answers with a status;
//! * instances count their region, so it is unmapped when the last of them is gone.
//!
//! It does not know what is in a module: [`slot`] prepares memory, [`crate::instance`] fills it.

mod budget;
pub mod config;
mod free;
pub mod layout;
pub mod lend;
mod maps;
mod pagemap;
mod parked;
mod pool;
mod prefault;
mod probe;
pub mod ranges;
mod resident;
pub mod seal;
pub mod slot;
pub mod stack;
pub mod stats;
pub mod verify;

pub use config::RegionConfig;
pub use stats::RegionStats;

use crate::abi::lucet_value;
use crate::control::ControlBlock;
use crate::counted::Counted;
use crate::directory;
use crate::error::{Result, Status, error};
use crate::mapping::{Access, Mapping};
use crate::module::CodeImage;
use crate::text::Line;
use crate::{process, running, signal};
use layout::Layout;
use lucet_format::PAGE_SIZE;
use pool::Pool;
use stats::Counters;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the file's header.
pub struct Region {
    /// What it was made with.
    pub config: RegionConfig,
    /// Where the parts of a slot are.
    pub layout: Layout,
    /// What has happened in it.
    pub counters: Counters,
    process: u64,
    // Unpublished before the memory goes: fields are dropped in order.
    published: ranges::Published,
    blocks: directory::Range,
    slots: Mapping,
    values: Mapping,
    free: Pool,
    /// Bytes that slots keep for their next guests, all together: see [`budget`].
    kept: AtomicU64,
}

// SAFETY: the configuration's log callback and its data are the host's promise to be callable from any thread;
// everything else is synchronised or immutable.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves a region.
    ///
    /// # Errors
    ///
    /// `NoSignals` before the signal handlers are installed; `Limit` for impossible sizes; `NoMemory`; `System`.
    pub fn new(config: &RegionConfig) -> Result<Counted<Region>> {
        if !signal::installed() {
            return Err(error!(
                Status::NoSignals,
                "guests need the signal handlers: call lucet_signals_install before making a region"
            ));
        }
        config.possible()?;
        config.check()?;
        let layout = Layout::new(&config.sizes())?;
        if !std::arch::is_x86_feature_detected!("cmpxchg16b") {
            return Err(error!(
                Status::Unsupported,
                "this processor has no CMPXCHG16B, by which guests are stopped"
            ));
        }
        let process = process::token()?;
        running::register_barrier();
        let slots = Mapping::reserve(layout.total as usize, 2 << 20)?;
        slots.keep_private();
        if layout.sizes.compact {
            let first = layout.start(0) as usize;
            slots.protect(first, slots.len() - first, Access::ReadWrite)?;
        }
        let values = Self::values(config)?;
        let blocks = directory::take(config.instances)?;
        // The blocks may have been another region's, whose slots were elsewhere.
        (0..config.instances)
            .filter_map(|slot| blocks.block(slot))
            .for_each(slot::forget);
        let published = ranges::publish(&slots, &layout, &blocks, process)?;
        let free = Pool::all(config.instances)?;
        let counters = Counters::default();
        let config = *config;
        Counted::new_lendable(Region {
            config,
            layout,
            counters,
            process,
            published,
            blocks,
            slots,
            values,
            free,
            kept: AtomicU64::new(0),
        })
    }

    /// Bytes from one slot's array of values to the next one's. Slots that different threads use do not meet in a cache line, nor in two that
    /// processors fetch together.
    fn values_stride(config: &RegionConfig) -> usize {
        (config.values as usize * size_of::<lucet_value>()).next_multiple_of(128)
    }

    fn values(config: &RegionConfig) -> Result<Mapping> {
        let bytes = config.instances as usize * Self::values_stride(config);
        let length = bytes.next_multiple_of(PAGE_SIZE as usize);
        let mapping = Mapping::reserve(length, PAGE_SIZE as usize)?;
        mapping.protect(0, length, Access::ReadWrite)?;
        Ok(mapping)
    }

    /// That the region belongs to this process.
    pub fn check_process(&self) -> Result<()> {
        if process::current() == self.process {
            return Ok(());
        }
        Err(error!(
            Status::WrongProcess,
            "the region was made by another process: regions do not survive fork, make one in the child"
        ))
    }

    /// That the slots are large enough for instances of a module, and keep what its code relies on.
    ///
    /// # Errors
    ///
    /// `Incompatible`, naming the first thing that is not enough.
    pub fn admits(&self, code: &CodeImage) -> Result<()> {
        let image = code.image();
        let contract = &image.header().contract;
        let needs = [
            (
                "a memory reservation",
                contract.reservation,
                self.layout.reservation,
            ),
            ("a memory guard", contract.guard, self.layout.guard),
            (
                "a stack guard",
                u64::from(contract.stack_guard),
                self.layout.stack_guard,
            ),
            ("a page size", u64::from(contract.page_size), PAGE_SIZE),
            (
                "a number of memories",
                u64::from(contract.further_memories) + 1,
                u64::from(self.config.memories),
            ),
            (
                "a state",
                u64::from(contract.state_bytes),
                self.layout.sizes.state,
            ),
            (
                "table elements",
                contract.table_elements,
                self.config.table_elements,
            ),
            (
                "values in one call",
                u64::from(contract.max_values),
                u64::from(self.config.values),
            ),
            (
                "a memory",
                config::largest_memory(&image),
                self.config.memory_bytes,
            ),
        ];
        let spared = self.config.spared_stack(code);
        let taken = spared.saturating_add(self.config.leaf_stack_bytes);
        if spared != 0 && taken >= self.config.stack_bytes {
            return Err(error!(
                Status::Incompatible,
                "the module keeps {spared} bytes of its stack for signal handlers, the region's stacks have {} and leaf functions want {}: \
                 see lucet_region_config_fit",
                self.config.stack_bytes,
                self.config.leaf_stack_bytes
            ));
        }
        match needs
            .into_iter()
            .find(|(_, wanted, offered)| wanted > offered)
        {
            None => Ok(()),
            Some((what, wanted, offered)) => Err(error!(
                Status::Incompatible,
                "the module needs {what} of {wanted}, the region offers {offered}: see lucet_region_config_fit"
            )),
        }
    }

    /// Whether slots have no guards.
    pub fn is_compact(&self) -> bool {
        self.layout.sizes.compact
    }

    /// The token of the process that the region belongs to.
    pub fn process(&self) -> u64 {
        self.process
    }

    /// Takes a free slot: one whose memory is already that of `tenant`, else one that was nobody's, else any; of the slots that became
    /// free last, which are in the caches.
    pub fn take_slot(&self, tenant: u64) -> Result<&'static ControlBlock> {
        let tenant_of = |slot| Some(self.blocks.block(slot)?.tenant.load(Ordering::Relaxed));
        let taken = self.free.take(tenant, tenant_of);
        let block = taken.and_then(|slot| Some((slot, self.blocks.block(slot)?)));
        let Some((slot, block)) = block else {
            return Err(error!(
                Status::RegionFull,
                "all {} slots of the region are taken", self.config.instances
            ));
        };
        block.slot.set(slot);
        Ok(block)
    }

    /// Puts a slot back. It must have been cleaned.
    pub fn return_slot(&self, block: &ControlBlock) {
        let slot = block.slot.get();
        if self.config.budget_bytes != 0 && block.kept.load(Ordering::Relaxed) == 0 {
            // The budget leaves nothing for it. Where the kernel refuses, the memory is kept, and is clean.
            budget::give_back(self, block, slot);
        }
        self.free.put(slot);
    }

    /// Has free slots give their memory back, those that have been free for longest first, until all slots together keep at most
    /// `keep` bytes for their next guests.
    pub fn trim(&self, keep: u64) {
        // Others may put slots back meanwhile: not for ever.
        for _ in 0..self.config.instances {
            if self.kept.load(Ordering::Relaxed) <= keep || !budget::evict_coldest(self) {
                break;
            }
        }
    }

    fn count_given_back(&self) {
        Counters::count(&self.counters.given_back);
    }

    /// The number of a block of this region in the directory.
    pub fn number(&self, block: &ControlBlock) -> u32 {
        self.blocks.first() + block.slot.get()
    }

    /// The control block of a slot.
    fn block(&self, slot: u32) -> Option<&'static ControlBlock> {
        self.blocks.block(slot)
    }

    /// The slots' address space.
    pub fn slots(&self) -> &Mapping {
        &self.slots
    }

    /// The array of values through which entries into a slot pass.
    pub fn values_of(&self, block: &ControlBlock) -> *mut lucet_value {
        let offset = block.slot.get() as usize * Self::values_stride(&self.config);
        (self.values.base() + offset) as *mut lucet_value
    }

    /// Statistics.
    pub fn stats(&self) -> RegionStats {
        let mut stats = self.counters.snapshot();
        stats.capacity = u64::from(self.config.instances);
        stats.reserved_bytes = self.layout.total;
        let free = self.free.len() as u64;
        stats.live = stats.capacity.saturating_sub(free);
        stats.resident_bytes = resident::bytes(self);
        stats.kept_bytes = self.kept.load(Ordering::Relaxed);
        for block in (0..self.config.instances).filter_map(|slot| self.blocks.block(slot)) {
            stats.add_slot(block);
        }
        stats.lost_signals = signal::LOST_SIGNALS.load(Ordering::Relaxed);
        stats
    }

    /// Hands a line to the host's log callback, if there is one. Cut at 1 KiB.
    pub fn log(&self, level: i32, line: fmt::Arguments<'_>) {
        let Some(callback) = self.config.log else {
            return;
        };
        let text = Line::of(line);
        let text = text.as_str();
        // SAFETY: the host has promised a callback that can be called from any thread that runs guests; the text is
        // valid for the length given.
        unsafe {
            callback(
                self.config.log_data,
                level,
                text.as_ptr().cast(),
                text.len(),
            )
        };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.published.withdraw();
        if process::current() != self.process {
            // Slots are not mapped in children: by now something of this process may lie there.
            self.slots.abandon();
        }
    }
}
