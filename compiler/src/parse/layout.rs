//! Where each global, table descriptor and segment flag of an instance lies below vmctx.
//!
//! The fixed header is nearest vmctx. Below it come 16-byte cells, one for each global and one for each
//! table descriptor, imported ones included, then one byte for each segment.

use crate::error::{Error, Result};
use crate::module::Module;
use lucet_format::vmctx::{GLOBAL_BYTES, HEADER_BYTES, MAX_STATE_BYTES, TABLE_DESCRIPTOR_BYTES};

/// Assigns every state offset of the module, and its state size.
pub fn assign(module: &mut Module) -> Result<()> {
    let bytes = u64::from(HEADER_BYTES)
        + module.globals.len() as u64 * u64::from(GLOBAL_BYTES)
        + module.tables.len() as u64 * u64::from(TABLE_DESCRIPTOR_BYTES)
        + (module.elements.len() + module.data.len()) as u64;
    let bytes = bytes.next_multiple_of(16);
    let limit = u64::from(MAX_STATE_BYTES);
    if bytes > limit {
        return Err(Error::Limit {
            what: "bytes of globals, tables and segments",
            actual: bytes,
            limit,
        });
    }
    // All offsets are at most `bytes`, which has just been found to be small.
    let mut distance = HEADER_BYTES;
    for global in &mut module.globals {
        distance += GLOBAL_BYTES;
        global.state_offset = distance;
    }
    for table in &mut module.tables {
        distance += TABLE_DESCRIPTOR_BYTES;
        table.state_offset = distance;
    }
    for segment in &mut module.elements {
        distance += 1;
        segment.dropped_offset = distance;
    }
    for segment in &mut module.data {
        distance += 1;
        segment.dropped_offset = distance;
    }
    module.state_bytes = distance.next_multiple_of(16);
    Ok(())
}
