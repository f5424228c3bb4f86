//! Active segments that go to tables and memories of other instances: applied by the first entry, in order, before the start function.
//!
//! What the module defines itself is part of the state that it starts from: see `module::template`. A segment that does not fit ends
//! instantiation with a trap; what the segments before it have written stays, for all to see.

use super::memory::Linear;
use super::table::Elements;
use super::{Inner, read_state};
use crate::control::ControlBlock;
use crate::module::Elsewhere;
use lucet_format::image::records::{ElementSegment, ITEM_GLOBAL};
use lucet_format::trap::TrapCode;

/// Applies them. Answers the trap that one of them has led to.
pub(super) fn apply(block: &'static ControlBlock, inner: &Inner) -> Option<TrapCode> {
    let elsewhere = inner.link().map_or(&[][..], |link| &link.elsewhere);
    elsewhere.iter().find_map(|segment| match segment.elements {
        true => elements(block, inner, segment).err(),
        false => data(block, inner, segment).err(),
    })
}

fn elements(
    block: &'static ControlBlock,
    inner: &Inner,
    segment: &Elsewhere,
) -> Result<(), TrapCode> {
    let image = inner.image();
    let segments = image.element_segments();
    let record = segments.get(segment.segment as usize);
    let table = Elements::of(block, inner, segment.to);
    let (record, table) = record.zip(table).ok_or(TrapCode::Table)?;
    let count = u64::from(record.count);
    table.range(segment.place, count).ok_or(TrapCode::Table)?;
    for index in 0..count {
        let element = item(block, inner, &record, index).unwrap_or(0);
        let element = table.inward(block, element)?;
        table
            .set(segment.place + index, element)
            .ok_or(TrapCode::Table)?;
    }
    Ok(())
}

fn data(block: &'static ControlBlock, inner: &Inner, segment: &Elsewhere) -> Result<(), TrapCode> {
    let image = inner.image();
    let segments = image.data_segments();
    let record = segments.get(segment.segment as usize);
    let memory = Linear::of(block, inner, segment.to);
    let (record, memory) = record.zip(memory).ok_or(TrapCode::Memory)?;
    let bytes = image.bytes(record.bytes);
    let length = bytes.len() as u64;
    let to = memory
        .range(segment.place, length)
        .ok_or(TrapCode::Memory)?;
    if !memory.open(segment.place, length) {
        return Err(TrapCode::Resource);
    }
    // SAFETY: the range lies in the memory, which can be written there; the bytes are the module file's, which is mapped elsewhere.
    unsafe { (to as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}

/// An item's value. Imported globals have their value in the state from the start.
pub(crate) fn item(
    block: &ControlBlock,
    inner: &Inner,
    segment: &ElementSegment,
    index: u64,
) -> Option<u64> {
    let image = inner.image();
    let number = u64::from(segment.items).checked_add(index)?;
    let item = image.element_items().get(usize::try_from(number).ok()?)?;
    if item & ITEM_GLOBAL == 0 {
        return Some(item);
    }
    let global = image
        .globals()
        .get(usize::try_from(item & !ITEM_GLOBAL).ok()?)?;
    // SAFETY: parsing has checked that globals lie within the state.
    Some(unsafe { read_state(block, global.state_offset) })
}
