//! Making, resetting and releasing instances. None of it runs guest code.
//!
//! Cleaning happens when an instance is reset or released, before the call returns, so that nothing of a
//! guest stays in an idle slot.

use super::outcome::{Record, remember};
use super::waiting::Tally;
use super::{Handle, Inner, Limits, idle, publish_memory_bytes, verify, write_state};
use crate::control::{ControlBlock, Request, Trap, fetch_early, state};
use crate::counted::Counted;
use crate::directory;
use crate::error::{Result, Status, error};
use crate::exception::Arena;
use crate::linking::{self, reference};
use crate::module::{Home, Link, Module, unlinked};
use crate::region::Region;
use crate::region::seal;
use crate::region::slot;
use crate::region::stack::Left;
use crate::region::stats::Counters;
use lucet_format::image::NONE;
use lucet_format::vmctx;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes an instance of a linked module in a free slot.
///
/// # Errors
///
/// `Unlinked`, `Incompatible` (the region cannot honour the module's contract), `Limit` (the module needs more
/// than it may have), `RegionFull`, `WrongProcess`, `NoMemory`, `System`.
pub fn create(
    region: &Counted<Region>,
    module: &Counted<Module>,
    data: *mut c_void,
    limits: Limits,
) -> Result<Handle> {
    region.check_process()?;
    let link = module.link.as_ref().ok_or_else(unlinked)?;
    link.shared.check_process()?;
    region.admits(&module.code)?;
    check_limits(link, limits)?;
    limits.check()?;
    let block = region.take_slot(link.initial(&module.code)?.id)?;
    fetch_early(block.stack_high.get().wrapping_sub(64));
    fetch_early(block.vmctx.get().wrapping_sub(64));
    fetch_early(block.vmctx.get());
    let inner = Inner {
        region: region.lend(),
        module: module.lend(),
        data,
        limits: Cell::new(limits),
        started: Cell::new(false),
        outcome: Cell::new(Record::default()),
        memory_bytes: Cell::new(0),
        frames: UnsafeCell::new(Vec::new()),
        waiting: Cell::new(None),
        pending: RefCell::new(None),
        handles: super::handles::Handles::default(),
        levels: super::levels::Levels::default(),
        views: crate::poison::Views::default(),
        tally: Tally::default(),
        exceptions: RefCell::new(Arena::default()),
        carried: UnsafeCell::new(Vec::new()),
    };
    let handle = slot::prepare(region, block)
        .and_then(|()| fill(block, &inner, link))
        .and_then(|()| new_handle(region, block));
    match handle {
        Ok(handle) => {
            // SAFETY: the slot was free, so nobody looks at its instance; the handle is not known to the caller yet.
            unsafe { *block.instance.get() = Some(inner) };
            block.set_state(state::READY);
            count_one(&block.created);
            Ok(Handle(handle))
        }
        Err(failure) => {
            // A slot that is not what it should be is nobody's any more.
            if failure.status != Status::Poisoned {
                region.return_slot(block);
            }
            Err(failure)
        }
    }
}

fn new_handle(region: &Region, block: &ControlBlock) -> Result<u64> {
    directory::issue(block, region.number(block)).ok_or_else(|| {
        error!(
            Status::Limit,
            "this slot has had as many instances as there are handles"
        )
    })
}

/// Counts one of something that only the owner of the slot counts, and others read.
fn count_one(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// That the module starts with no more than the limits allow.
fn check_limits(link: &Link, limits: Limits) -> Result<()> {
    let within = |what: &str, wanted: u64, limit: u64| {
        if limit == 0 || wanted <= limit {
            return Ok(());
        }
        Err(error!(
            Status::Limit,
            "the module starts with {what} of {wanted}, the limit is {limit}"
        ))
    };
    let memories = link.memories.iter();
    let bytes = memories.fold(0u64, |sum, memory| sum.saturating_add(memory.minimum));
    within("a memory", bytes, limits.memory_bytes)?;
    within(
        "table elements",
        link.table_elements_at_first(),
        limits.table_elements,
    )
}

/// Puts a clean slot into the module's initial state.
fn fill(block: &ControlBlock, inner: &Inner, link: &Link) -> Result<()> {
    let elements = link.table_elements(&inner.module.code)?;
    describe_to_trampolines(block, inner, link);
    seal::occupy(&inner.region, block, link.initial(&inner.module.code)?)?;
    fill_state(block, inner, link, elements);
    let nothing_to_do = link.trap.is_none()
        && link.elsewhere.is_empty()
        && inner.image().header().start_function == NONE;
    inner.started.set(nothing_to_do);
    block
        .process
        .store(inner.region.process(), Ordering::Relaxed);
    inner.allow_short_entries(block);
    remember(block, inner, Record::default(), false);
    if inner.region.config.verify {
        return verify::fresh(block, inner, link);
    }
    Ok(())
}

fn describe_to_trampolines(block: &ControlBlock, inner: &Inner, link: &Link) {
    let (text, length) = inner.module.code.text();
    block.text.set(text);
    block.text_length.set(length);
    block.code.set(Counted::as_ptr(&inner.module.code).cast());
    block.set_image(inner.module.code.base());
    let first = link.memories.first().map(|memory| memory.home);
    block.imports_memory.set(first == Some(Home::Imported));
    block
        .no_vectors
        .set(u8::from(!inner.module.code.uses_vectors()));
    block.odd_modes.set(0);
    block.values.set(inner.region.values_of(block));
    block.imports.set(link.imports);
    block.call_row.set(u32::MAX);
    block.nested.set(0);
    block.request.set(Request::None);
    block.trap.set(Trap::NONE);
    block.reincarnate();
    block.host_calls.set(0);
    block.entries.set(0);
    // Entries are counted anew, and a note of the block's earlier instance would be one of this one's.
    block.values_at.set(0);
    block.timed.set(false);
    block.times.cpu_measured.set(0);
    block.times.cpu_unmeasured.set(0);
    inner.renew();
}

fn fill_state(block: &ControlBlock, inner: &Inner, link: &Link, elements: &[u64]) {
    let template = &link.state_template;
    let start = (block.vmctx.get() - template.len()) as *mut u8;
    // SAFETY: `admits` has checked that the state fits the slot's; it ends at vmctx.
    unsafe { start.copy_from_nonoverlapping(template.as_ptr(), template.len()) };
    let tables = slot::tables(&inner.region, block);
    // SAFETY: `admits` has checked that the elements fit; the area is accessible since `prepare`.
    unsafe {
        (tables as *mut u64).copy_from_nonoverlapping(elements.as_ptr(), elements.len());
    }
    describe_state(block, inner, link, |distance, value| {
        // SAFETY: what is described lies within the state.
        unsafe { write_state(block, distance, value) };
    });
    fill_further_memories(block, inner, link);
    publish_memory_bytes(block, inner, link.first_minimum());
}

/// Names the words of the state that are the slot's own, by their distance below vmctx, with what they are at first. All lie within
/// the state: parsing has checked it for descriptors, and the fixed header is part of every state.
pub(super) fn describe_state(
    block: &ControlBlock,
    inner: &Inner,
    link: &Link,
    mut each: impl FnMut(u32, u64),
) {
    let tables = slot::tables(&inner.region, block) as u64;
    for table in &link.tables {
        let base = tables + table.first * u64::from(vmctx::TABLE_ELEMENT_BYTES);
        each(table.state_offset - vmctx::TABLE_BASE, base);
    }
    for memory in &link.memories {
        if let Home::Further(number) = memory.home {
            let base = slot::further(&inner.region, block, number) as u64;
            each(memory.state_offset - vmctx::MEMORY_BASE, base);
        }
    }
    let config = &inner.region.config;
    let stack_limit = block.stack_low.get() as u64 + config.spared_stack(&inner.module.code);
    let trap_address = slot::trap_address(&inner.region, block) as u64;
    each(vmctx::CONTROL_BLOCK, std::ptr::from_ref(block) as u64);
    each(
        vmctx::LEAF_STACK_LIMIT,
        stack_limit + config.leaf_stack_bytes,
    );
    each(vmctx::STACK_LIMIT, stack_limit);
    each(vmctx::TRAP_ADDRESS, trap_address);
    each(vmctx::MEMORY_BYTES, link.first_minimum());
}

/// Puts the data of further memories into them: they are zero.
fn fill_further_memories(block: &ControlBlock, inner: &Inner, link: &Link) {
    let image = inner.image();
    for memory in &link.memories {
        let Home::Further(number) = memory.home else {
            continue;
        };
        let base = slot::further(&inner.region, block, number);
        for piece in &memory.pieces {
            let bytes = image.bytes(piece.source);
            let to = (base + piece.destination as usize) as *mut u8;
            // SAFETY: linking has checked that the piece lies within the memory's initial size, and `admits` that the slot has
            // room for that.
            unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }
}

/// Leaves nothing of the instance in its slot: stack, state and tables are zero, memory is that of a fresh instance.
fn clean(block: &ControlBlock, inner: &Inner) -> Result<()> {
    let link = inner.link()?;
    // Whoever is still in the middle of something may be deep in it.
    let left = if block.state() == state::READY {
        Left::Returned
    } else {
        Left::Stopped
    };
    inner.forget_waiting(block);
    reference::forget(block);
    block.set_state(state::CLEANING);
    inner.handles.clear();
    inner.views.abandon();
    let kept = clean_besides(block, inner, link, left);
    let restored = match kept {
        Ok(kept) => link.initial(&inner.module.code).and_then(|initial| {
            // SAFETY: the instance does not run, and views into its memory end with it, as the C API says.
            unsafe { seal::restore(&inner.region, block, initial, kept) }
        }),
        Err(failure) => {
            seal::disown(block);
            Err(failure)
        }
    };
    if !matches!((&restored, &kept), (Ok(true), Ok(_))) {
        Counters::count(&inner.region.counters.restored_slowly);
    }
    // What cannot be restored is replaced: that takes a single system call.
    restored
        .map(drop)
        .or_else(|_| seal::vacate(&inner.region, block))?;
    kept?;
    if inner.region.config.verify {
        return verify::gone(block, inner, link);
    }
    Ok(())
}

/// Cleans what a slot has besides memory 0. Answers how much of it stays in memory.
fn clean_besides(block: &ControlBlock, inner: &Inner, link: &Link, left: Left) -> Result<u64> {
    let tables = super::table::used_bytes(block, inner);
    for memory in &link.memories {
        if let Home::Further(number) = memory.home {
            let bytes = super::memory::used_bytes(block, inner, memory);
            // SAFETY: the instance does not run, and views into its memory end with it, as the C API says.
            unsafe { slot::clear_further(&inner.region, block, number, bytes) }?;
        }
    }
    let state_bytes = link.state_template.len() as u32;
    // SAFETY: as above.
    unsafe { slot::clean(&inner.region, block, state_bytes, tables, left) }
}

/// Makes an instance as good as new. Keeps its data and limits.
///
/// # Errors
///
/// `Running`, `Linked`, `Stale`, `WrongProcess`, `NoMemory`, `System`; after the last two it can only be reset again or released. `Poisoned` in
/// regions that verify: it can only be released.
pub fn reset(handle: Handle) -> Result<()> {
    let (block, inner) = idle(handle)?;
    linking::check_unpinned(block)?;
    let done = clean(block, inner).and_then(|()| fill(block, inner, inner.link()?));
    block.set_state(if done.is_ok() {
        state::READY
    } else {
        state::STOPPED
    });
    count_one(&block.resets);
    done
}

/// Ends an instance and gives its slot back.
///
/// # Errors
///
/// `Running`, `Linked`, `Stale`, `WrongProcess`; `NoMemory`, `System`: the slot's memory could not be cleaned, which is tried again before the next
/// instance gets it; `Poisoned` in regions that verify: the slot is never used again.
pub fn release(handle: Handle) -> Result<()> {
    let (block, inner) = idle(handle)?;
    linking::check_unpinned(block)?;
    let cleaned = clean(block, inner);
    block.handle.store(0, Ordering::Release);
    block.reincarnate();
    block.set_state(state::FREE);
    // SAFETY: the handle is void from here on, so nobody else reaches the instance.
    let inner = unsafe { (*block.instance.get()).take() };
    if let Some(inner) = inner {
        count_one(&block.released);
        // Without a tenant, nobody gets the slot before its memory has been replaced.
        let reusable = match cleaned {
            Ok(()) => true,
            Err(failure) => {
                failure.status != Status::Poisoned && block.tenant.load(Ordering::Relaxed) == 0
            }
        };
        if reusable {
            inner.region.return_slot(block);
        }
    }
    cleaned
}
