//! Element segments in the image: <https://webassembly.github.io/spec/core/syntax/modules.html#element-segments>.

use super::image::{funcref_number, initial_value};
use crate::module::{Constant, Module};
use lucet_format::image::Section;
use lucet_format::image::records::{self, SegmentMode};
use lucet_format::image::writer::ImageWriter;

/// Adds every element segment and its items.
pub fn elements(writer: &mut ImageWriter, module: &Module) {
    let mut items = 0;
    for segment in &module.elements {
        // A declared segment counts as dropped from the start: nothing can read its items.
        let stored = if segment.mode == SegmentMode::Declared {
            &[][..]
        } else {
            &segment.items
        };
        for constant in stored {
            writer.push(Section::ElementItems, &item(*constant, module));
        }
        let record = records::ElementSegment {
            mode: segment.mode as u32,
            table: segment.table,
            offset: initial_value(segment.offset, module),
            items,
            count: stored.len() as u32,
            dropped_offset: segment.dropped_offset,
            element_type: u32::from(segment.element_type.number()),
        };
        writer.push(Section::ElementSegments, &record);
        items += stored.len() as u32;
    }
}

fn item(constant: Constant, module: &Module) -> u64 {
    match constant {
        Constant::Function(index) => funcref_number(index, module),
        Constant::ImportedGlobal(index) => u64::from(index) | records::ITEM_GLOBAL,
        // References have no other constants.
        Constant::Null | Constant::Bits(_) => 0,
    }
}
