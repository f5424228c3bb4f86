//! Where each global, descriptor and segment flag of an instance lies below vmctx, and how code reaches each memory.
//!
//! The fixed header is nearest vmctx. Below it come 16-byte cells, one for each global and one for each descriptor of a
//! table or memory, imported ones included, then one byte for each segment. A memory 0 that the module defines has no
//! descriptor: it begins at vmctx.

use crate::error::{Error, Result};
use crate::module::{MemoryPlace, Module};
use lucet_format::vmctx::{
    GLOBAL_BYTES, HEADER_BYTES, MAX_STATE_BYTES, MEMORY_DESCRIPTOR_BYTES, TABLE_DESCRIPTOR_BYTES,
};

/// Assigns every state offset of the module, and its state size.
pub fn assign(module: &mut Module) -> Result<()> {
    let bytes = u64::from(HEADER_BYTES)
        + module.globals.len() as u64 * u64::from(GLOBAL_BYTES)
        + module.tables.len() as u64 * u64::from(TABLE_DESCRIPTOR_BYTES)
        + module.memories.len() as u64 * u64::from(MEMORY_DESCRIPTOR_BYTES)
        + (module.elements.len() + module.data.len()) as u64;
    let bytes = bytes.next_multiple_of(16);
    let limit = u64::from(MAX_STATE_BYTES);
    if bytes > limit {
        return Err(Error::Limit {
            what: "bytes of globals, tables, memories and segments",
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
    distance = place_memories(module, distance);
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

/// Decides how code reaches each memory; answers the distance of the last descriptor.
fn place_memories(module: &mut Module, mut distance: u32) -> u32 {
    for (index, memory) in module.memories.iter_mut().enumerate() {
        let at_vmctx = index == 0 && !memory.imported;
        memory.place = if at_vmctx && memory.can_be_guarded() {
            MemoryPlace::Guarded
        } else if at_vmctx {
            MemoryPlace::Checked
        } else {
            distance += MEMORY_DESCRIPTOR_BYTES;
            MemoryPlace::Described(distance)
        };
    }
    let first = module.memories.first().map(|memory| memory.place);
    module.relies_on_reservation = first != Some(MemoryPlace::Checked);
    distance
}
