//! Element and data segments in the image:
//! <https://webassembly.github.io/spec/core/syntax/modules.html#element-segments>.

use super::image::{funcref_number, initial_value};
use super::memory::Run;
use crate::module::{Constant, Module};
use lucet_format::image::Section;
use lucet_format::image::records::{self, SegmentMode, Span};
use lucet_format::image::writer::{Blob, ImageLayout, ImageWriter};

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
        Constant::Null | Constant::Bits(_) | Constant::Expression { .. } => 0,
    }
}

/// Data segments and initial runs. The bytes of active segments are in the runs, if there are any.
pub fn data(writer: &mut ImageWriter, module: &Module, wasm: &[u8], runs: Option<&[Run]>) -> Blobs {
    let mut segments = Vec::new();
    for segment in &module.data {
        let wanted = segment.mode == SegmentMode::Passive || runs.is_none();
        let bytes = wasm
            .get(segment.bytes.clone())
            .filter(|bytes| wanted && !bytes.is_empty());
        let blob = bytes.map(|bytes| writer.blob(bytes, 1));
        let record = records::DataSegment {
            mode: segment.mode as u32,
            memory: segment.memory,
            offset: initial_value(segment.offset, module),
            bytes: Span::default(),
            dropped_offset: segment.dropped_offset,
            reserved: 0,
        };
        writer.push(Section::DataSegments, &record);
        segments.push((record, blob));
    }
    let mut places = Vec::new();
    for run in runs.unwrap_or_default() {
        let blob = writer.blob(&run.bytes, 1);
        let record = records::InitialRun {
            destination: run.destination,
            bytes: Span::default(),
            memory: run.memory,
            reserved: 0,
        };
        writer.push(Section::InitialRuns, &record);
        places.push((record, blob));
    }
    Blobs {
        segments,
        runs: places,
    }
}

/// Data whose spans are known only after the sections have been laid out.
pub struct Blobs {
    segments: Vec<(records::DataSegment, Option<Blob>)>,
    runs: Vec<(records::InitialRun, Blob)>,
}

impl Blobs {
    /// Completes the records, now that the blobs have places.
    pub fn place(&self, writer: &mut ImageWriter, layout: &ImageLayout) {
        let span = |blob: &Option<Blob>| blob.map_or(Span::default(), |blob| layout.blob(blob));
        let segments: Vec<_> = self
            .segments
            .iter()
            .map(|(segment, blob)| records::DataSegment {
                bytes: span(blob),
                ..*segment
            })
            .collect();
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|(run, blob)| records::InitialRun {
                bytes: layout.blob(*blob),
                ..*run
            })
            .collect();
        writer.replace(Section::DataSegments, &segments);
        writer.replace(Section::InitialRuns, &runs);
    }
}
