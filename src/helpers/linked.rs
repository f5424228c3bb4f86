//! Helpers for what is another instance's: imported tables and globals of references, and functions that references lead to.

use super::{checked, trap};
use crate::bridge;
use crate::control::ControlBlock;
use crate::instance::Inner;
use crate::instance::global::Cell;
use crate::instance::table::Elements;
use lucet_format::trap::TrapCode;

pub(super) unsafe extern "C" fn table_get(
    block: *const ControlBlock,
    table: u32,
    index: u64,
) -> u64 {
    let mut element = 0;
    checked(block, TrapCode::Table, |block, inner| {
        let elements = Elements::of(block, inner, table)?;
        match elements.outward(block, elements.get(index)?) {
            Ok(found) => element = found,
            Err(code) => trap(block, code),
        }
        Some(())
    });
    element
}

pub(super) unsafe extern "C" fn table_set(
    block: *const ControlBlock,
    table: u32,
    index: u64,
    element: u64,
) {
    checked(block, TrapCode::Table, |block, inner| {
        let elements = Elements::of(block, inner, table)?;
        match elements.inward(block, element) {
            Ok(element) => elements.set(index, element),
            Err(code) => {
                trap(block, code);
                Some(())
            }
        }
    });
}

pub(super) unsafe extern "C" fn table_size(block: *const ControlBlock, table: u32) -> u64 {
    let mut length = 0;
    checked(block, TrapCode::Table, |block, inner| {
        length = Elements::of(block, inner, table)?.length;
        Some(())
    });
    length
}

pub(super) unsafe extern "C" fn global_get(block: *const ControlBlock, global: u32) -> u64 {
    let mut value = 0;
    of_global(block, global, |block, cell| {
        value = cell.get(block).ok()? as u64;
        Some(())
    });
    value
}

pub(super) unsafe extern "C" fn global_set(block: *const ControlBlock, global: u32, value: u64) {
    of_global(block, global, |block, cell| {
        cell.set(block, u128::from(value)).ok()
    });
}

fn of_global(
    block: *const ControlBlock,
    global: u32,
    body: impl FnOnce(&ControlBlock, &Cell) -> Option<()>,
) {
    checked(block, TrapCode::Resource, |block, inner: &Inner| {
        body(block, &Cell::of(block, inner, global)?)
    });
}

pub(super) unsafe extern "C" fn call_foreign(
    block: *const ControlBlock,
    reference: u64,
    function_type: u32,
    values: usize,
) {
    checked(block, TrapCode::Resource, |block, inner| {
        bridge::call_reference(block, inner, reference, function_type, values)
    });
}
