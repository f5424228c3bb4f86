//! Instances: making, resetting, releasing, limits.

use super::guard::{guarded, guarded_value};
use super::module::lucet_module;
use super::object::{get, null, prepare};
use super::region::lucet_region;
use super::status::lucet_status;
use super::structs::{Extensible, fill, read, read_optional};
use crate::error::{Result, Status, error};
use crate::instance::{self, Handle, Limits};
use crate::timing::Allowance;
use std::ffi::c_void;

/// An instance of a module in a slot of a region. One thread at a time may use it, not always the same one. This is a handle that
/// is never followed: using it after the release is LUCET_STALE, not undefined.
pub struct lucet_instance {
    _private: [u8; 0],
}

/// What one instance may use; 0: no limit but the region's. Start from lucet_limits_default().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_limits {
    /// sizeof(lucet_limits)
    pub struct_size: usize,
    /// Bytes of all linear memories together. The guest's memory.grow gives -1 beyond.
    pub memory_bytes: u64,
    /// Elements of all tables. The guest's table.grow gives -1 beyond.
    pub table_elements: u64,
    /// When the guest must have ended, in nanoseconds of CLOCK_MONOTONIC: one value for all entries and resumes of a request.
    /// LUCET_TERMINATED with LUCET_STOP_DEADLINE, at once if it has passed already. So do other instances that are run by a host function
    /// of the guest, as with its CPU budget: the host function sees that outcome, and the guest ends when it returns.
    pub deadline_ns: u64,
    /// CPU time of all entries since new or reset, 200000 at least. LUCET_TERMINATED with LUCET_STOP_CPU after between 1 and 1.125 times of
    /// it, never before. What host functions use counts. UINT64_MAX: no limit, but the time is measured, by two system calls an entry, as it
    /// is for limits below 2000000.
    pub cpu_ns: u64,
    /// Reserved: must be 0.
    pub fuel: u64,
    /// The time of one entry or resume, 100000 at least: LUCET_PREEMPTED at its end, and lucet_instance_resume goes on from there. Slices
    /// from 8000000 on end at the system's next tick, a few milliseconds later, and cost a tenth.
    pub slice_ns: u64,
    /// What a callback into the guest may take beyond the slice's end, since it cannot be preempted then: LUCET_TERMINATED with
    /// LUCET_STOP_NESTED. 0: as much as a slice. The same for another instance that is run by a host function of the guest; that one
    /// ends then, and the guest is preempted when its host function returns.
    pub nested_ns: u64,
    /// Bytes of the host's memory for the exceptions that exist at a time; the guest ends with LUCET_TRAP_EXCEPTIONS beyond. 0: 65536, which
    /// is several hundred. One is kept until it is caught without a reference to it being asked for, or until nothing refers to it.
    pub exception_bytes: u64,
    /// 0.
    pub reserved: [u64; 3],
}

// SAFETY: a C struct with `struct_size` first, of integers.
unsafe impl Extensible for lucet_limits {
    const NAME: &'static str = "lucet_limits";
    fn reserved_is_zero(&self) -> bool {
        self.reserved == [0; 3]
    }
}

/// The shortest slice: below, a guest would do little but be interrupted.
const LEAST_SLICE_NS: u64 = 100_000;
/// The smallest budget: an eighth of it is more than stopping a guest takes on a machine that does other work, too.
const LEAST_CPU_NS: u64 = 200_000;

impl lucet_limits {
    fn to_limits(self) -> Result<Limits> {
        if self.fuel != 0 {
            return Err(error!(
                Status::Unsupported,
                "limits of fuel are not supported in this release: leave it 0"
            ));
        }
        // The library itself can do with less, and its tests do.
        if self.slice_ns != 0 && self.slice_ns < LEAST_SLICE_NS {
            return Err(error!(
                Status::BadArgument,
                "slice_ns is {}: it must be {LEAST_SLICE_NS} at least, or 0", self.slice_ns
            ));
        }
        if self.cpu_ns != 0 && self.cpu_ns < LEAST_CPU_NS {
            return Err(error!(
                Status::BadArgument,
                "cpu_ns is {}: it must be {LEAST_CPU_NS} at least, or 0", self.cpu_ns
            ));
        }
        Ok(Limits {
            memory_bytes: self.memory_bytes,
            table_elements: self.table_elements,
            exception_bytes: self.exception_bytes,
            time: Allowance {
                deadline: self.deadline_ns,
                cpu: self.cpu_ns,
                slice: self.slice_ns,
                nested: self.nested_ns,
            },
        })
    }
}

/// What an instance has used since new or reset.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_instance_stats {
    /// sizeof(lucet_instance_stats)
    pub struct_size: usize,
    /// CPU time in nanoseconds, as far as a limit of CPU time made it be measured.
    pub cpu_ns: u64,
    /// Entries from outside; a resume is not one.
    pub entries: u64,
    /// Suspensions by host functions.
    pub suspensions: u64,
    /// Slices that ended.
    pub slices: u64,
    /// Calls of host functions, leaves included.
    pub host_calls: u64,
    /// Bytes of all linear memories.
    pub memory_bytes: u64,
    /// The most bytes of linear memory that it has had.
    pub peak_memory_bytes: u64,
    /// 0.
    pub reserved: [u64; 4],
}

// SAFETY: a C struct with `struct_size` first, of integers.
unsafe impl Extensible for lucet_instance_stats {
    const NAME: &'static str = "lucet_instance_stats";
    fn reserved_is_zero(&self) -> bool {
        true
    }
}

/// The handle in a pointer.
pub(super) fn handle(instance: *const lucet_instance) -> Result<Handle> {
    if instance.is_null() {
        return Err(null("instance"));
    }
    Ok(Handle(instance as u64))
}

/// Makes an instance of a linked module in a free slot. No guest code runs. `data` is the host's, for lucet_instance_data and
/// lucet_call_instance_data. `limits` may be NULL.
/// Owner: the caller, who releases it. Keeps what it needs of region and module. Errors: NULL_ARGUMENT; BAD_STRUCT; UNLINKED;
/// UNSUPPORTED: a limit that is not in this release; BAD_ARGUMENT: nested_ns without slice_ns, or less in slice_ns or cpu_ns than there can be; NO_SIGNALS: limits of time without a
/// stop signal; INCOMPATIBLE: the region is too small for the module, see
/// lucet_region_config_fit; LIMIT: the module starts with more than `limits` allows, or no handles are left for the slot; REGION_FULL;
/// WRONG_PROCESS: the region, or an instance that the module is linked to, was made before a fork; NO_MEMORY; SYSTEM; POISONED: a region with
/// LUCET_REGION_VERIFY has found a difference, the slot is never used again. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_new(
    region: *mut lucet_region,
    module: *const lucet_module,
    data: *mut c_void,
    limits: *const lucet_limits,
    out_instance: *mut *mut lucet_instance,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_instance, "out_instance")?;
        let limits =
            read_optional(limits)?.map_or(Ok(Limits::default()), lucet_limits::to_limits)?;
        let handle = instance::create(get(region.cast_const())?, get(module)?, data, limits)?;
        out_instance.write(handle.0 as *mut lucet_instance);
        Ok(())
    })
}

/// Makes an instance as it was when new, whatever the guest did: memory, globals, tables. Keeps `data` and limits. The guest can see nothing
/// of what was before; docs/recycling.md says what stays in memory. Pointers into its memory and its results are void.
/// Errors: NULL_ARGUMENT, RUNNING, STALE, WRONG_PROCESS; LINKED: linked modules import from it, nothing has happened; NO_MEMORY, SYSTEM: it
/// needs another reset, or a release; POISONED: a region with LUCET_REGION_VERIFY has found a difference, it can only be released. The
/// instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_reset(instance: *mut lucet_instance) -> lucet_status {
    guarded(|| instance::reset(handle(instance)?))
}

/// Ends an instance. No later instance can see anything of it; docs/recycling.md says what stays in memory. NULL is allowed.
/// Errors: RUNNING: it goes on; LINKED: linked modules import from it, nothing has happened; STALE; WRONG_PROCESS; NO_MEMORY, SYSTEM: its memory
/// could not be cleaned, which is tried again before the slot's next instance; POISONED: a region with LUCET_REGION_VERIFY has found a
/// difference, the slot is never used again. After the last three it is released all the same, and the handle is void. The instance's thread.
/// Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_release(instance: *mut lucet_instance) -> lucet_status {
    if instance.is_null() {
        return Status::Ok as lucet_status;
    }
    guarded(|| instance::release(handle(instance)?))
}

/// The `data` that the instance was made with; NULL when it is stale. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_data(instance: *const lucet_instance) -> *mut c_void {
    guarded_value(|| instance::data(handle(instance)?)).unwrap_or(std::ptr::null_mut())
}

/// Sets the limits, from now on. What the guest has beyond them it keeps.
/// Errors: NULL_ARGUMENT, BAD_STRUCT, UNSUPPORTED, BAD_ARGUMENT, NO_SIGNALS, RUNNING, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_set_limits(
    instance: *mut lucet_instance,
    limits: *const lucet_limits,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe { instance::set_limits(handle(instance)?, read(limits)?.to_limits()?) })
}

/// What the instance has used since new or reset. `out_stats->struct_size` is set by the caller.
/// Errors: NULL_ARGUMENT, BAD_STRUCT, STALE, WRONG_PROCESS. The instance's thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_instance_get_stats(
    instance: *const lucet_instance,
    out_stats: *mut lucet_instance_stats,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        let stats = instance::stats(handle(instance)?)?;
        let described = lucet_instance_stats {
            struct_size: 0,
            cpu_ns: stats.cpu_ns,
            entries: stats.entries,
            suspensions: stats.suspensions,
            slices: stats.slices,
            host_calls: stats.host_calls,
            memory_bytes: stats.memory_bytes,
            peak_memory_bytes: stats.peak_memory_bytes,
            reserved: [0; 4],
        };
        fill(out_stats, &described)
    })
}
