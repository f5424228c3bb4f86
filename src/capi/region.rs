//! Regions: slots for instances.

use super::guard::guarded;
use super::module::lucet_module;
use super::object::{get, give, prepare, release};
use super::status::lucet_status;
use super::structs::{Extensible, fill, read};
use crate::error::{Result, Status, error};
use crate::region::stats::TRAP_ROWS;
use crate::region::{Region, RegionConfig};
use std::ffi::{c_char, c_int, c_void};

/// Slots for instances: address space reserved once, used over and over. Any thread may use it, several at a time. Belongs to
/// the process that made it.
pub struct lucet_region {
    _private: [u8; 0],
}

/// How to make a region. Start from lucet_region_config_default(); a field that is 0 means its default, which stands in brackets.
/// Sizes are in bytes and for one instance.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_region_config {
    /// sizeof(lucet_region_config)
    pub struct_size: usize,
    /// The most instances at a time [64].
    pub instances: u32,
    /// The most nested callbacks into an instance [8].
    pub callback_depth: u32,
    /// The most elements of all tables together [10000].
    pub table_elements: u64,
    /// The most of each linear memory [16 MiB]; at most 1 TiB. At least 4 GiB of address space are reserved for memory 0.
    pub memory_bytes: u64,
    /// The guest's stack [128 KiB].
    pub stack_bytes: u64,
    /// Room for globals and other state [16 KiB]. Where this and table_elements are small, they share a page with the stack's end: 256 and
    /// 1 are raised to what a module needs by lucet_region_config_fit.
    pub state_bytes: u64,
    /// Memory that an idle slot may keep [1 MiB]; a quarter as much of its stack.
    pub keep_resident_bytes: u64,
    /// What a leaf host function finds on the guest's stack at least [16 KiB].
    pub leaf_stack_bytes: u64,
    /// What must be left of the host's stack for a callback into the guest [32 KiB].
    pub host_stack_bytes: u64,
    /// The most parameters, or results, of one call [32].
    pub values: u32,
    /// LUCET_REGION_*, or 0.
    pub flags: u32,
    /// If not NULL: gets log lines, on the thread where they arise, with a LUCET_LOG_* level. The text is valid during the call.
    pub log: Option<
        unsafe extern "C" fn(data: *mut c_void, level: c_int, text: *const c_char, length: usize),
    >,
    /// The callback's first argument.
    pub log_data: *mut c_void,
    /// What guests compiled with lucetc --stack-check leave of their stack for signal handlers of the host's that were installed
    /// without SA_ONSTACK [the kernel's signal frame and 16 KiB]. Other guests may use their stack to the last byte.
    pub handler_stack_bytes: u64,
    /// The most linear memories, memory 0 included [1].
    pub memories: u32,
    /// 0.
    pub reserved0: u32,
    /// What slots may keep in memory for their next guests, all of them together: a budget, 0 for none. What guests use while they
    /// run does not count. When the budget is used up, the slots that have been idle for longest give their memory back; if there are none,
    /// this slot does, at each reset and release, and its next guest waits for the kernel.
    pub budget_bytes: u64,
    /// 0.
    pub reserved: [u64; 3],
}

/// Flag of a region, for tests and for finding out who writes to guests that are gone: what a new guest finds is compared with
/// what it should find, each time that an instance is made, reset or released: memory up to its maximum, globals, tables, dropped segments, page
/// protections. A difference is logged, and is LUCET_POISONED. Costs up to milliseconds each time.
pub const LUCET_REGION_VERIFY: u32 = 1;

/// Flag of a region: slots have no guards and no mappings of their own, so that a process can have hundreds of thousands of them. Only
/// modules compiled with `lucetc --memory=bounds` fit in. A slot takes pages of memory for what its guest uses only.
/// Guests stop handler_stack_bytes before the end of their stack. Handlers of the host that run on it and need more write over
/// another guest's memory, so all must have SA_ONSTACK: lucet_region_new looks, and answers LUCET_BAD_STATE.
pub const LUCET_REGION_COMPACT: u32 = 2;

// SAFETY: a C struct with `struct_size` first, of integers, a pointer and an optional function pointer.
unsafe impl Extensible for lucet_region_config {
    const NAME: &'static str = "lucet_region_config";
    fn reserved_is_zero(&self) -> bool {
        self.reserved0 == 0 && self.reserved == [0; 3]
    }
}

/// Log level: something failed.
pub const LUCET_LOG_ERROR: c_int = 0;
/// Log level: something is odd.
pub const LUCET_LOG_WARNING: c_int = 1;
/// Log level: for information.
pub const LUCET_LOG_INFO: c_int = 2;
/// Log level: a line that a guest wrote through the WASI functions, control characters escaped.
pub const LUCET_LOG_GUEST: c_int = 3;
const _: () = assert!(LUCET_LOG_GUEST == crate::wasi::LOG_LEVEL);

/// What has happened in a region.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_region_stats {
    /// sizeof(lucet_region_stats)
    pub struct_size: usize,
    /// Slots.
    pub capacity: u64,
    /// Slots with an instance.
    pub live: u64,
    /// Instances made so far.
    pub created: u64,
    /// Resets so far.
    pub reset: u64,
    /// Instances released so far.
    pub released: u64,
    /// Entries that ended in a trap.
    pub trapped: u64,
    /// Entries that were terminated.
    pub terminated: u64,
    /// Bytes of slots that are in memory now.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub reserved_bytes: u64,
    /// Traps by LUCET_TRAP_*.
    pub traps: [u64; 32],
    /// Instances that are suspended or preempted now.
    pub waiting: u64,
    /// Stops that had to wait until a host function returned.
    pub stops_deferred: u64,
    /// Signals of the host's that were lost because their handler has no SA_ONSTACK and a guest had used up its stack. Of the process.
    pub signals_lost: u64,
    /// Bytes that slots keep in memory for their next guests, as budget_bytes counts them: an upper bound.
    pub kept_bytes: u64,
    /// How often a slot gave them back, because of budget_bytes or lucet_region_trim.
    pub given_back: u64,
    /// Resets and releases that restored memory by copying alone: guests had written the pages that guests of the module write.
    pub resets_fast: u64,
    /// Those that needed system calls for memory: a slot's first ones, after growth, after writes elsewhere, for want of budget.
    pub resets_slow: u64,
    /// How often a guest or its host wrote to pages that guests of the module had not written before: one fault each.
    pub slots_opened: u64,
    /// 0.
    pub reserved: [u64; 3],
}
const _: () = assert!(TRAP_ROWS == 32);

// SAFETY: a C struct with `struct_size` first, of integers.
unsafe impl Extensible for lucet_region_stats {
    const NAME: &'static str = "lucet_region_stats";
    fn reserved_is_zero(&self) -> bool {
        true
    }
}

fn or<T: Default + PartialEq>(given: T, default: T) -> T {
    if given == T::default() {
        default
    } else {
        given
    }
}

impl lucet_region_config {
    fn to_config(self) -> Result<RegionConfig> {
        let unknown = self.flags & !(LUCET_REGION_VERIFY | LUCET_REGION_COMPACT);
        if unknown != 0 {
            return Err(error!(
                Status::BadArgument,
                "unknown flags {unknown:#x} in lucet_region_config"
            ));
        }
        let default = RegionConfig::default();
        Ok(RegionConfig {
            instances: or(self.instances, default.instances),
            callback_depth: or(self.callback_depth, default.callback_depth),
            table_elements: or(self.table_elements, default.table_elements),
            memory_bytes: or(self.memory_bytes, default.memory_bytes),
            memories: or(self.memories, default.memories),
            stack_bytes: or(self.stack_bytes, default.stack_bytes),
            state_bytes: or(self.state_bytes, default.state_bytes),
            keep_resident_bytes: or(self.keep_resident_bytes, default.keep_resident_bytes),
            budget_bytes: self.budget_bytes,
            compact: self.flags & LUCET_REGION_COMPACT != 0,
            verify: self.flags & LUCET_REGION_VERIFY != 0,
            leaf_stack_bytes: or(self.leaf_stack_bytes, default.leaf_stack_bytes),
            host_stack_bytes: or(self.host_stack_bytes, default.host_stack_bytes),
            handler_stack_bytes: or(self.handler_stack_bytes, default.handler_stack_bytes),
            values: or(self.values, default.values),
            log: self.log,
            log_data: self.log_data,
        })
    }
}

/// Raises what is too small in `config` for instances of `module`, linked or not. Can be called for several modules. Says whether the sizes
/// are possible, too, before there are signal handlers: a server can do so where it reads its configuration.
/// Errors: NULL_ARGUMENT; BAD_STRUCT; INCOMPATIBLE: no region can be large enough; LIMIT: lucet_region_new would say so. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_config_fit(
    config: *mut lucet_region_config,
    module: *const lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let given = read(config.cast_const())?;
        let before = given.to_config()?;
        let mut after = before;
        after.fit(&get(module)?.code)?;
        after.possible()?;
        let raised =
            |before: u64, after: u64, given: u64| if after > before { after } else { given };
        (*config).memory_bytes =
            raised(before.memory_bytes, after.memory_bytes, given.memory_bytes);
        (*config).stack_bytes = raised(before.stack_bytes, after.stack_bytes, given.stack_bytes);
        (*config).state_bytes = raised(before.state_bytes, after.state_bytes, given.state_bytes);
        (*config).table_elements = raised(
            before.table_elements,
            after.table_elements,
            given.table_elements,
        );
        if after.values > before.values {
            (*config).values = after.values;
        }
        if after.memories > before.memories {
            (*config).memories = after.memories;
        }
        Ok(())
    })
}

/// Reserves a region. `config` may be NULL, for the defaults. Needs lucet_signals_install before. Takes no memory to speak of
/// until instances run, but about 6 GiB of address space for each, and what memories beyond 4 GiB and beyond the first may have: a
/// process has 128 TiB.
/// Owner: the caller, who releases it. Errors: NULL_ARGUMENT, BAD_STRUCT, BAD_ARGUMENT, NO_SIGNALS; BAD_STATE: see
/// LUCET_REGION_COMPACT; LIMIT: impossible sizes; NO_MEMORY; SYSTEM; UNSUPPORTED: a processor of before 2006. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_new(
    config: *const lucet_region_config,
    out_region: *mut *mut lucet_region,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_region, "out_region")?;
        let config = if config.is_null() {
            RegionConfig::default()
        } else {
            read(config)?.to_config()?
        };
        give(out_region, Region::new(&config)?)
    })
}

/// Whether instances of `module` can be made in `region`: what lucet_instance_new would check first.
/// Errors: INCOMPATIBLE, lucet_last_error names what is too small; NULL_ARGUMENT; WRONG_PROCESS. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_check(
    region: *const lucet_region,
    module: *const lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let region = get(region)?;
        region.check_process()?;
        region.admits(&get(module)?.code)
    })
}

/// The region's statistics. `out_stats->struct_size` is set by the caller. Counts pages, so it takes some microseconds a used slot.
/// Errors: NULL_ARGUMENT, BAD_STRUCT, WRONG_PROCESS. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_get_stats(
    region: *const lucet_region,
    out_stats: *mut lucet_region_stats,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let region = get(region)?;
        region.check_process()?;
        let stats = region.stats();
        let described = lucet_region_stats {
            struct_size: 0,
            capacity: stats.capacity,
            live: stats.live,
            created: stats.created,
            reset: stats.reset,
            released: stats.released,
            trapped: stats.trapped,
            terminated: stats.terminated,
            resident_bytes: stats.resident_bytes,
            reserved_bytes: stats.reserved_bytes,
            traps: stats.traps,
            waiting: stats.waiting,
            stops_deferred: stats.deferred,
            signals_lost: stats.lost_signals,
            kept_bytes: stats.kept_bytes,
            given_back: stats.given_back,
            resets_fast: stats.restored_fast,
            resets_slow: stats.restored_slowly,
            slots_opened: stats.opened,
            reserved: [0; 3],
        };
        fill(out_stats, &described)
    })
}

/// Has idle slots give memory back that they keep for their next guests, until all slots together keep at most `keep_bytes`: 0 for
/// as little as possible. Those that have been idle for longest come first; slots with instances are left alone. In a process that
/// locks its memory nothing can be given back. Errors: NULL_ARGUMENT; WRONG_PROCESS. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_trim(
    region: *mut lucet_region,
    keep_bytes: u64,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let region = get(region)?;
        region.check_process()?;
        region.trim(keep_bytes);
        Ok(())
    })
}

/// Makes up to `instances` idle slots ready for instances of `module`, so that the first requests do not wait for the kernel: maps their
/// memory, and makes resident what every guest uses and what guests of this module have been seen to write. Without effect on
/// slots with instances; slots of other modules are taken when there are no others. Other threads can go on using the region.
/// Errors: NULL_ARGUMENT; UNLINKED; INCOMPATIBLE; LIMIT: budget_bytes is used up; NO_MEMORY; SYSTEM; WRONG_PROCESS. The slots that are ready
/// by then stay so. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_prefault(
    region: *mut lucet_region,
    module: *const lucet_module,
    instances: u32,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe { get(region)?.prefault(get(module)?, instances) })
}

/// Gives a region up. It goes when its last instance does. NULL is allowed. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_region_release(region: *mut lucet_region) {
    // SAFETY: the C contract of this function.
    let _ = guarded(|| unsafe { release(region) });
}
