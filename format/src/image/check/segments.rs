//! What memories and tables start with.

use super::super::records::{self, SegmentMode};
use super::super::{Section, quick};
use super::{At, Check, Checker, span};

impl Checker<'_> {
    pub(super) fn items(&self) -> Check {
        let items = self.image.element_items();
        let funcrefs = self.image.funcrefs().len() as u32;
        let (raw, _) = self.image.section(Section::ElementItems).as_chunks();
        let listed = if quick::are_items(raw, funcrefs) {
            0
        } else {
            items.len()
        };
        for (index, item) in items.iter().take(listed).enumerate() {
            let at = At {
                section: Section::ElementItems,
                index,
            };
            if item & records::ITEM_GLOBAL != 0 {
                self.imported_global(at, item & !records::ITEM_GLOBAL)?;
            } else {
                self.funcref(at, item)?;
            }
        }
        Ok(())
    }

    pub(super) fn elements(&self) -> Check {
        let items = self.image.element_items();
        for (index, record) in self.image.element_segments().iter().enumerate() {
            let at = At {
                section: Section::ElementSegments,
                index,
            };
            let mode = SegmentMode::from_number(record.mode);
            at.holds(mode.is_some(), "the mode", record.mode)?;
            let tables = self.image.tables().len();
            let table_ok = mode != Some(SegmentMode::Active) || (record.table as usize) < tables;
            at.holds(table_ok, "the table", record.table)?;
            let end = u64::from(record.items) + u64::from(record.count);
            at.holds(end <= items.len() as u64, "the end of the items", end)?;
            self.initial(at, &record.offset)?;
            self.state(at, record.dropped_offset, 1)?;
        }
        Ok(())
    }

    pub(super) fn data(&self) -> Check {
        let before_text = self.image.header().text.offset as usize;
        for (index, record) in self.image.data_segments().iter().enumerate() {
            let at = At {
                section: Section::DataSegments,
                index,
            };
            let mode = SegmentMode::from_number(record.mode);
            at.holds(
                matches!(mode, Some(SegmentMode::Active | SegmentMode::Passive)),
                "the mode",
                record.mode,
            )?;
            let memories = self.image.memories().len();
            let memory_ok =
                mode != Some(SegmentMode::Active) || (record.memory as usize) < memories;
            at.holds(memory_ok, "the memory", record.memory)?;
            span("the bytes of a data segment", record.bytes, before_text)?;
            self.initial(at, &record.offset)?;
            self.state(at, record.dropped_offset, 1)?;
        }
        Ok(())
    }

    pub(super) fn initial_runs(&self) -> Check {
        let before_text = self.image.header().text.offset as usize;
        let (mut memory, mut free_from) = (0, 0);
        for (index, record) in self.image.initial_runs().iter().enumerate() {
            let at = At {
                section: Section::InitialRuns,
                index,
            };
            span("the bytes of initial memory", record.bytes, before_text)?;
            at.holds(record.memory >= memory, "the memory", record.memory)?;
            if record.memory > memory {
                (memory, free_from) = (record.memory, 0);
            }
            at.holds(
                record.destination >= free_from,
                "the destination",
                record.destination,
            )?;
            free_from = record
                .destination
                .saturating_add(u64::from(record.bytes.length));
            let declared = self.image.memories().get(memory as usize);
            let limit = declared
                .filter(|memory| memory.flags & records::FLAG_IMPORTED == 0)
                .map_or(0, |memory| memory.minimum_bytes());
            at.holds(free_from <= limit, "the end", free_from)?;
        }
        Ok(())
    }
}
