//! Comparing an instance with a fresh one: regions with `LUCET_REGION_VERIFY`. Costs much, and changes nothing.

use super::Inner;
use super::create::describe_state;
use crate::control::ControlBlock;
use crate::counted::try_collect;
use crate::error::Result;
use crate::module::{Home, Link};
use crate::region::{slot, verify};
use lucet_format::vmctx::TABLE_ELEMENT_BYTES;
use std::sync::atomic::Ordering;

/// That an instance which has not run finds what the module says: memory, state, tables.
///
/// # Errors
///
/// `Poisoned`; `NoMemory`, `System` when it cannot be found out.
pub(super) fn fresh(block: &ControlBlock, inner: &Inner, link: &Link) -> Result<()> {
    let mut expected = try_collect(
        link.state_template.iter().copied(),
        "a state to compare with",
    )?;
    let length = expected.len();
    describe_state(block, inner, link, |distance, value| {
        if let Some(start) = length.checked_sub(distance as usize)
            && let Some(place) = expected.get_mut(start..start + size_of::<u64>())
        {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    });
    let elements = link.table_elements(&inner.module.code)?;
    compare(block, inner, link, &expected, elements)?;
    for memory in &link.memories {
        if let Home::Further(number) = memory.home {
            let mut content =
                try_collect((0..memory.minimum).map(|_| 0), "a memory to compare with")?;
            for piece in &memory.pieces {
                let bytes = inner.image().bytes(piece.source);
                let start = piece.destination as usize;
                if let Some(place) = content.get_mut(start..start + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
            }
            further(block, inner, number, &content)?;
        }
    }
    Ok(())
}

/// That a further memory begins with `content` and is zero behind it.
fn further(block: &ControlBlock, inner: &Inner, number: u32, content: &[u8]) -> Result<()> {
    let region = &inner.region;
    let at = slot::further(region, block, number);
    // SAFETY: further memories are accessible since the slot was prepared, and no guest runs.
    let found = unsafe { std::slice::from_raw_parts(at as *const u8, content.len()) };
    if let Some(offset) = (0..content.len()).find(|at| found.get(*at) != content.get(*at)) {
        return Err(verify::difference(
            region,
            block,
            format_args!("a further memory at {offset:#x} is not what it is at first"),
        ));
    }
    let end = at + region.layout.sizes.memory as usize;
    // SAFETY: as above.
    unsafe { verify::untouched(region, block, at + content.len(), end) }
}

/// That nothing of an instance is left in its slot.
///
/// # Errors
///
/// As [`fresh`].
pub(super) fn gone(block: &ControlBlock, inner: &Inner, link: &Link) -> Result<()> {
    compare(block, inner, link, &[], &[])?;
    for memory in &link.memories {
        if let Home::Further(number) = memory.home {
            further(block, inner, number, &[])?;
        }
    }
    Ok(())
}

/// That the slot holds this state and these elements, zeros besides, and a fresh memory.
fn compare(
    block: &ControlBlock,
    inner: &Inner,
    link: &Link,
    state: &[u8],
    elements: &[u64],
) -> Result<()> {
    let region = &inner.region;
    let sizes = &region.layout.sizes;
    let low = block.vmctx.get() - sizes.state as usize;
    let unused = sizes.state as usize - state.len();
    let tables = slot::tables(region, block);
    let used = size_of_val(elements);
    let all = (sizes.table_elements * u64::from(TABLE_ELEMENT_BYTES)) as usize;
    // SAFETY: the state's place and the tables' are accessible since the slot was prepared, of these sizes, and no guest runs.
    let (found, items) = unsafe {
        verify::zeros(region, block, low, unused, "state")?;
        verify::zeros(region, block, tables + used, all - used, "a table")?;
        (
            std::slice::from_raw_parts((low + unused) as *const u8, state.len()),
            std::slice::from_raw_parts(tables as *const u64, elements.len()),
        )
    };
    if let Some(at) = (0..state.len()).find(|at| found.get(*at) != state.get(*at)) {
        let distance = state.len() - at;
        return Err(verify::difference(
            region,
            block,
            format_args!("state {distance:#x} below vmctx is not what it is at first"),
        ));
    }
    if let Some(at) = (0..elements.len()).find(|at| items.get(*at) != elements.get(*at)) {
        return Err(verify::difference(
            region,
            block,
            format_args!("table element {at} is not what it is at first"),
        ));
    }
    let initial = link.initial(&inner.module.code)?;
    if block.tenant.load(Ordering::Relaxed) != initial.id {
        // Replaced, since it could not be restored: the next instance gets a new one.
        return Ok(());
    }
    // SAFETY: no guest runs.
    unsafe { verify::memory(region, block, initial) }
}
