//! Which slot an address is in. Signal handlers ask this, so the answer takes no lock and no memory.
//!
//! A fixed table of rows, one for each region. A row is written while it is not published; `base` is stored last and
//! makes it visible, and cleared first when the region goes. A handler only finds rows of regions in which
//! its own thread runs a guest, and such a region cannot go.

use super::layout::Layout;
use crate::control::ControlBlock;
use crate::directory;
use crate::error::{Result, Status, error};
use crate::mapping::Mapping;
use crate::process;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Regions that a process can have at a time.
const ROWS: usize = 1024;

struct Row {
    /// Address of the first slot; 0: no region.
    base: AtomicUsize,
    /// Bytes of all slots.
    length: AtomicUsize,
    /// Bytes from slot to slot.
    stride: AtomicUsize,
    /// Number of the first control block.
    first: AtomicU64,
    /// The process that made the region. In its children the slots are not mapped, and the addresses may be anybody's.
    process: AtomicU64,
    /// 1 while somebody owns the row.
    owned: AtomicU64,
}

impl Row {
    const fn empty() -> Row {
        Row {
            base: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            stride: AtomicUsize::new(0),
            first: AtomicU64::new(0),
            process: AtomicU64::new(0),
            owned: AtomicU64::new(0),
        }
    }
}

static TABLE: [Row; ROWS] = [const { Row::empty() }; ROWS];
/// Rows from here on have never been used.
static USED: AtomicUsize = AtomicUsize::new(0);

/// A published region.
#[derive(Debug)]
pub struct Published {
    row: usize,
}

/// Makes a region's slots known.
///
/// # Errors
///
/// `Limit` when the process has too many regions.
pub fn publish(
    slots: &Mapping,
    layout: &Layout,
    blocks: &directory::Range,
    process: u64,
) -> Result<Published> {
    let free = TABLE.iter().position(|row| {
        row.owned
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    });
    let Some(index) = free else {
        return Err(error!(
            Status::Limit,
            "a process has at most {ROWS} regions"
        ));
    };
    let row = &TABLE[index];
    let first = layout.start(0) as usize;
    row.length.store(slots.len() - first, Ordering::Relaxed);
    row.stride.store(layout.stride as usize, Ordering::Relaxed);
    row.first
        .store(u64::from(blocks.first()), Ordering::Relaxed);
    row.process.store(process, Ordering::Relaxed);
    row.base.store(slots.base() + first, Ordering::Release);
    USED.fetch_max(index + 1, Ordering::AcqRel);
    Ok(Published { row: index })
}

impl Published {
    /// Takes the region out of the table. Further calls do nothing.
    pub fn withdraw(&mut self) {
        if let Some(row) = TABLE.get(self.row) {
            row.base.store(0, Ordering::Release);
            row.owned.store(0, Ordering::Release);
            self.row = usize::MAX;
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// The control block of the slot whose stack, or stack guard, this address is in. Async-signal-safe.
pub fn find_by_stack(stack_pointer: usize) -> Option<&'static ControlBlock> {
    let block = find(stack_pointer)?;
    let inside = (block.stack_guard.get()..=block.stack_high.get()).contains(&stack_pointer);
    inside.then_some(block)
}

/// The control block of the slot that an address is in. Async-signal-safe.
pub fn find(address: usize) -> Option<&'static ControlBlock> {
    let used = USED.load(Ordering::Acquire);
    for row in TABLE.get(..used)? {
        let base = row.base.load(Ordering::Acquire);
        let offset = address.wrapping_sub(base);
        let outside = base == 0 || offset >= row.length.load(Ordering::Relaxed);
        if outside || row.process.load(Ordering::Relaxed) != process::current() {
            continue;
        }
        let slot = offset / row.stride.load(Ordering::Relaxed).max(1);
        let number = row.first.load(Ordering::Relaxed) + slot as u64;
        return directory::block(u32::try_from(number).ok()?);
    }
    None
}
