//! Tables that nobody can change: defined here, not exported, and no function has an instruction that writes to them.
//!
//! Calls through such a table need not look into it. Its elements are known, so they are listed among the funcref records, one
//! after the other, and a call reads code and type from there: see `translate::call`.
//!
//! A table whose elements are not all known when the module is compiled is left alone, and so is one whose segments do not fit:
//! its instances trap before they run anything.

use crate::error::{Error, Result};
use crate::module::{Constant, ElementSegment, FunctionBody, Module, Table, offset_value};
use lucet_format::image::records::{ExternKind, SegmentMode};
use lucet_format::value::ValueType;
use wasmparser::{BinaryReader, Operator};

/// The most elements of a table that are listed: each takes a record.
const MOST_ELEMENTS: u64 = 1 << 16;

/// Finds such tables and lists their elements behind the records that there are.
pub(super) fn list(module: &mut Module, wasm: &[u8]) -> Result<()> {
    let mut candidates: Vec<bool> = (0u32..)
        .zip(&module.tables)
        .map(|(index, table)| is_candidate(module, index, table))
        .collect();
    if !candidates.contains(&true) {
        return Ok(());
    }
    for body in &module.bodies {
        exclude_written(wasm, body, &mut candidates)?;
    }
    for index in (0..candidates.len()).filter(|index| candidates[*index]) {
        if let Some(elements) = elements(module, index as u32) {
            let first = module.funcrefs.len() as u32;
            module.funcrefs.extend(elements);
            module.tables[index].records = Some(first);
        }
    }
    Ok(())
}

fn is_candidate(module: &Module, index: u32, table: &Table) -> bool {
    let exported = module
        .exports
        .iter()
        .any(|export| export.kind == ExternKind::Table && export.index == index);
    !table.imported
        && !exported
        && table.element_type == ValueType::Funcref
        && (1..=MOST_ELEMENTS).contains(&table.minimum)
        && matches!(table.initial, Constant::Null)
}

/// Strikes out the tables that a function writes to.
fn exclude_written(wasm: &[u8], body: &FunctionBody, candidates: &mut [bool]) -> Result<()> {
    let bytes = wasm.get(body.range.clone()).unwrap_or(&[]);
    let reader = BinaryReader::new_features(bytes, body.range.start as u64, super::SUPPORTED);
    let invalid = |error: wasmparser::Error| Error::Invalid {
        offset: error.offset(),
        message: error.message().to_owned(),
    };
    let mut operators = wasmparser::FunctionBody::new(reader)
        .get_operators_reader()
        .map_err(invalid)?;
    while !operators.eof() {
        let written = match operators.read().map_err(invalid)? {
            Operator::TableSet { table }
            | Operator::TableGrow { table }
            | Operator::TableFill { table }
            | Operator::TableCopy {
                dst_table: table, ..
            }
            | Operator::TableInit { table, .. } => table,
            _ => continue,
        };
        if let Some(candidate) = candidates.get_mut(written as usize) {
            *candidate = false;
        }
    }
    Ok(())
}

/// The functions that a table refers to, `u32::MAX` for null; `None`: not known.
fn elements(module: &Module, table: u32) -> Option<Vec<u32>> {
    let declared = module.tables.get(table as usize)?;
    let length = usize::try_from(declared.minimum).ok()?;
    let mut elements = vec![u32::MAX; length];
    let active =
        |segment: &&ElementSegment| segment.mode == SegmentMode::Active && segment.table == table;
    for segment in module.elements.iter().filter(active) {
        let Constant::Bits(offset) = segment.offset else {
            return None;
        };
        let start = usize::try_from(offset_value(declared.index_64, offset)).ok()?;
        let places = elements.get_mut(start..start.checked_add(segment.items.len())?)?;
        for (place, item) in places.iter_mut().zip(&segment.items) {
            *place = match item {
                Constant::Function(index) => *index,
                Constant::Null => u32::MAX,
                _ => return None,
            };
        }
    }
    Some(elements)
}
