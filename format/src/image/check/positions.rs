//! Where the code lies, and what is known of positions in it. The lists of traps and of inlined calls are the longest of an image.

use super::super::records::{self, CodeKind};
use super::super::{NONE, Section, quick};
use super::{At, Check, Checker};
use crate::trap::TrapCode;

impl Checker<'_> {
    pub(super) fn traps(&self) -> Check {
        let codes = self.image.section(Section::TrapCodes);
        let offsets = self.image.trap_offsets();
        let (raw, _) = self.image.section(Section::TrapOffsets).as_chunks();
        if offsets.len() == codes.len() && quick::ascend(raw, self.text) && quick::are_traps(codes)
        {
            return Ok(());
        }
        // What is wrong with them?
        let mut previous = None;
        for (index, offset) in offsets.iter().enumerate() {
            let at = At {
                section: Section::TrapOffsets,
                index,
            };
            at.holds(
                offset < self.text && previous.is_none_or(|before| before < offset),
                "the offset",
                offset,
            )?;
            previous = Some(offset);
        }
        for (index, code) in codes.iter().enumerate() {
            let at = At {
                section: Section::TrapCodes,
                index,
            };
            at.holds(
                TrapCode::from_number(u32::from(*code)).is_some(),
                "the trap",
                *code,
            )?;
        }
        let at = At {
            section: Section::TrapCodes,
            index: codes.len(),
        };
        at.holds(
            codes.len() == offsets.len(),
            "the number of traps",
            codes.len() as u64,
        )
    }

    /// Chains of calls end: each position refers to one before it.
    pub(super) fn inlined(&self) -> Check {
        for (index, record) in self.image.inlined().iter().enumerate() {
            let at = At {
                section: Section::Inlined,
                index,
            };
            at.holds(
                (record.function as usize) < self.image.functions().len(),
                "the function",
                record.function,
            )?;
            at.holds(record.wasm < records::IN_PLACE, "the offset", record.wasm)?;
            at.holds(
                self.is_position(record.outer, index),
                "the position of the call",
                record.outer,
            )?;
        }
        Ok(())
    }

    /// Whether this is a position where so many of those in place are known.
    pub(super) fn is_position(&self, position: u32, known: usize) -> bool {
        position == NONE
            || position & records::IN_PLACE == 0
            || ((position & !records::IN_PLACE) as usize) < known
    }

    pub(super) fn code_ranges(&self) -> Check {
        let (raw, _) = self.image.section(Section::CodeRanges).as_chunks();
        if quick::are_ranges(raw, CodeKind::COUNT, self.text) {
            return Ok(());
        }
        let mut free_from = 0;
        for (index, record) in self.image.code_ranges().iter().enumerate() {
            let at = At {
                section: Section::CodeRanges,
                index,
            };
            at.holds(
                CodeKind::from_number(record.kind).is_some(),
                "the kind",
                record.kind,
            )?;
            at.holds(
                u64::from(record.start) >= free_from,
                "the start",
                record.start,
            )?;
            free_from = u64::from(record.start) + u64::from(record.length);
            at.holds(free_from <= u64::from(self.text), "the end", free_from)?;
        }
        Ok(())
    }

    pub(super) fn funcrefs(&self) -> Check {
        let types = self.image.function_types().len() as u32;
        let first = self.image.funcrefs().get(0);
        let (raw, _) = self.image.section(Section::Funcrefs).as_chunks();
        if first.is_some_and(|null| null.function_type == NONE)
            && quick::are_funcrefs(raw, types, self.text)
        {
            return Ok(());
        }
        for (index, record) in self.image.funcrefs().iter().enumerate() {
            let at = At {
                section: Section::Funcrefs,
                index,
            };
            if index == 0 {
                at.holds(
                    record.function_type == NONE,
                    "the type of null",
                    record.function_type,
                )?;
                continue;
            }
            if record.function_type != NONE {
                self.function_type(at, record.function_type)?;
            }
            at.holds(record.code < self.text, "the code's place", record.code)?;
        }
        Ok(())
    }

    /// That there is a reference for null.
    pub(super) fn null(&self) -> Check {
        let none = self.image.funcrefs().is_empty();
        let at = At {
            section: Section::Funcrefs,
            index: 0,
        };
        at.holds(!none, "the number of references", 0u32)
    }
}
