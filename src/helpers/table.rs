//! Helpers for tables:
//! <https://webassembly.github.io/spec/core/exec/instructions.html#table-instructions>.

use super::pieces::{call_again, copy_in_pieces, in_pieces};
use super::{checked, drop_segment, is_dropped, trap};
use crate::control::ControlBlock;
use crate::instance::segments::item;
use crate::instance::table::{self, Elements};
use lucet_format::image::records::SegmentMode;
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;
use lucet_format::vmctx::TABLE_ELEMENT_BYTES;

const ELEMENT: u64 = TABLE_ELEMENT_BYTES as u64;

/// Whether the elements of both tables mean the same, so that they can be copied as they are.
fn same_owner(one: &Elements, other: &Elements) -> bool {
    let address = |elements: &Elements| elements.foreign.map(std::ptr::from_ref);
    address(one) == address(other)
}

/// What there is no room for ends the guest.
fn or_stop(block: &ControlBlock, element: Result<u64, TrapCode>) -> u64 {
    element.unwrap_or_else(|code| {
        trap(block, code);
        0
    })
}

pub(super) unsafe extern "C" fn grow(
    block: *const ControlBlock,
    index: u32,
    delta: u64,
    element: u64,
) -> i64 {
    let mut old = -1;
    checked(block, TrapCode::Table, |block, inner| {
        let grown = table::grow_by(block, inner, index, delta, element);
        old = grown.and_then(|old| i64::try_from(old).ok()).unwrap_or(-1);
        Some(())
    });
    old
}

pub(super) unsafe extern "C" fn fill(
    block: *const ControlBlock,
    index: u32,
    to: u64,
    element: u64,
    length: u64,
) {
    checked(block, TrapCode::Table, |block, inner| {
        let table = Elements::of(block, inner, index)?;
        let target = table.range(to, length)?;
        let stored = or_stop(block, table.inward(block, element));
        let left = in_pieces(block, length, ELEMENT, |at, count| {
            for offset in at..at + count {
                // SAFETY: `range` has checked that the elements are the table's.
                unsafe { target.add(offset as usize).write(stored) };
            }
        });
        if left > 0 {
            let rest = to + length - left;
            call_again(
                block,
                Helper::TableFill,
                [u64::from(index), rest, element, left, 0],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn copy(
    block: *const ControlBlock,
    to_table: u32,
    from_table: u32,
    to: u64,
    from: u64,
    length: u64,
) {
    checked(block, TrapCode::Table, |block, inner| {
        let (from_elements, to_elements) = (
            Elements::of(block, inner, from_table)?,
            Elements::of(block, inner, to_table)?,
        );
        let source = from_elements.range(from, length)?;
        let target = to_elements.range(to, length)?;
        let same = same_owner(&from_elements, &to_elements);
        let upwards = target.cast_const() > source;
        let left = copy_in_pieces(block, upwards, length, ELEMENT, |at, count| {
            if same {
                // SAFETY: `range` has checked both; `copy` allows overlap.
                unsafe { target.add(at).copy_from(source.add(at), count) };
                return;
            }
            for index in at..at + count {
                // SAFETY: as above; tables of different owners do not overlap.
                let element = unsafe { *source.add(index) };
                let element = from_elements.outward(block, element);
                let element = element.and_then(|element| to_elements.inward(block, element));
                let element = or_stop(block, element);
                // SAFETY: as above.
                unsafe { *target.add(index) = element };
            }
        });
        if left > 0 {
            let done = if upwards { 0 } else { length - left };
            let tables = [u64::from(to_table), u64::from(from_table)];
            call_again(
                block,
                Helper::TableCopy,
                [tables[0], tables[1], to + done, from + done, left],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn init(
    block: *const ControlBlock,
    segment: u32,
    index: u32,
    to: u64,
    from: u64,
    length: u64,
) {
    checked(block, TrapCode::Table, |block, inner| {
        let record = inner.image().element_segments().get(segment as usize)?;
        let usable =
            record.mode == SegmentMode::Passive as u32 && !is_dropped(block, record.dropped_offset);
        let available = if usable { u64::from(record.count) } else { 0 };
        let fits = from.checked_add(length).is_some_and(|end| end <= available);
        let table = Elements::of(block, inner, index)?;
        let target = table.range(to, length)?;
        if !fits {
            return None;
        }
        let left = in_pieces(block, length, ELEMENT, |at, count| {
            for offset in at..at + count {
                // Parsing has checked that every item of a segment means something.
                let element = item(block, inner, &record, from + offset).unwrap_or(0);
                let element = or_stop(block, table.inward(block, element));
                // SAFETY: `range` has checked that the elements are the table's.
                unsafe { target.add(offset as usize).write(element) };
            }
        });
        if left > 0 {
            let done = length - left;
            let which = [u64::from(segment), u64::from(index)];
            call_again(
                block,
                Helper::TableInit,
                [which[0], which[1], to + done, from + done, left],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn drop_elements(block: *const ControlBlock, segment: u32) {
    checked(block, TrapCode::Table, |block, inner| {
        drop_segment(
            block,
            inner
                .image()
                .element_segments()
                .get(segment as usize)?
                .dropped_offset,
        );
        Some(())
    });
}
