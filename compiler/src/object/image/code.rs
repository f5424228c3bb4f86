//! Records of the code: its ranges, where it traps, where instructions come from, and the calls that have handlers.

use super::Assembler;
use crate::code::Code;
use lucet_format::image::exceptions::{CallSite, Handler};
use lucet_format::image::records;
use lucet_format::image::source::SourceMapWriter;
use lucet_format::image::{NONE, Section};
use std::collections::HashMap;

impl Assembler<'_> {
    /// Ranges, traps and positions of the code.
    pub(super) fn code(&mut self) {
        let mut inlined = 0;
        let mut sources = SourceMapWriter::default();
        for (start, piece) in self.text.pieces() {
            let length = piece.bytes.len() as u32;
            let range = records::CodeRange {
                start,
                length,
                kind: piece.kind as u32,
                index: piece.index,
            };
            self.writer.push(Section::CodeRanges, &range);
            for (offset, trap) in &piece.traps {
                self.writer.push(Section::TrapOffsets, &(start + offset));
                self.writer.push(Section::TrapCodes, &trap.number());
            }
            self.positions(start, piece, &mut sources, &mut inlined);
            self.calls(start, piece);
        }
        sources.finish(&mut self.writer);
    }

    /// Where the instructions of a piece come from; so many positions in place are there already.
    fn positions(
        &mut self,
        start: u32,
        piece: &Code,
        sources: &mut SourceMapWriter,
        inlined: &mut u32,
    ) {
        let in_place = |position: u32| position != NONE && position & records::IN_PLACE != 0;
        let first = *inlined;
        let placed = |position| {
            if in_place(position) {
                position + first
            } else {
                position
            }
        };
        for (offset, wasm) in &piece.positions {
            let position = placed(wasm.unwrap_or(NONE));
            sources.add(&mut self.writer, start + offset, position);
        }
        for place in &piece.places {
            let position = records::InlinedPosition {
                function: place.function,
                wasm: place.wasm,
                outer: placed(place.outer),
            };
            self.writer.push(Section::Inlined, &position);
        }
        *inlined += piece.places.len() as u32;
    }

    /// The calls of a piece that have handlers. Lists that are equal are stored once.
    fn calls(&mut self, start: u32, piece: &Code) {
        let mut known: HashMap<&[(Option<u32>, u32)], u32> = HashMap::new();
        for call in &piece.calls {
            let first = *known.entry(&call.handlers).or_insert_with(|| {
                let first = self.handlers;
                for (tag, offset) in &call.handlers {
                    let handler = Handler {
                        function: piece.index,
                        tag: tag.unwrap_or(NONE),
                        code: start + offset,
                    };
                    self.handlers = self.writer.push(Section::Handlers, &handler) + 1;
                }
                first
            });
            let site = CallSite {
                text: start + call.offset,
                frame: call.frame,
                first,
                count: call.handlers.len() as u32,
            };
            self.writer.push(Section::CallSites, &site);
        }
    }
}
