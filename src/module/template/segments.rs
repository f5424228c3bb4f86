//! Active segments: element segments in order, then data segments in order, until one does not fit.

use super::{CodeImage, Elsewhere, InitialPiece, Source, TableTemplate, Template, zeroed};
use crate::abi::lucet_value;
use crate::error::{Error, Result, Status, error};
use crate::linking::add;
use lucet_format::image::records::{
    ElementSegment, FLAG_DYNAMIC_DATA, FLAG_IMPORTED, ITEM_GLOBAL, SegmentMode,
};
use lucet_format::trap::TrapCode;

/// The elements of all defined tables at first. `globals` are the imported ones in order, `tables` what a template has found.
///
/// # Errors
///
/// `NoMemory`.
pub(in crate::module) fn table_elements(
    code: &CodeImage,
    globals: &[lucet_value],
    tables: &[TableTemplate],
) -> Result<Vec<u64>> {
    let source = Source {
        image: code.image(),
        globals,
        memories: &[],
    };
    let count = tables.last().map_or(0, TableTemplate::end) as usize;
    let mut elements = zeroed::<u64>(count, "the tables of a module")?;
    for table in tables {
        let range = table.first as usize..table.end() as usize;
        elements
            .get_mut(range)
            .unwrap_or_default()
            .fill(table.initial);
    }
    source.each_segment(|_, segment, place| {
        let Some(own) = source.own_table(segment, tables) else {
            return Ok(true);
        };
        // What comes behind a segment that does not fit is not applied.
        let Some(at) = own.and_then(|table| table.place(segment, place)) else {
            return Ok(false);
        };
        source.apply_segment(segment, at, &mut elements);
        Ok(true)
    })?;
    Ok(elements)
}

impl Source<'_> {
    /// Hands out the active element segments with their index and place, until `each` says that it was the last.
    fn each_segment(
        &self,
        mut each: impl FnMut(u32, &ElementSegment, u64) -> Result<bool>,
    ) -> Result<()> {
        for (index, segment) in (0u32..).zip(self.image.element_segments().iter()) {
            if segment.mode != SegmentMode::Active as u32 {
                continue;
            }
            let table = self.image.tables().get(segment.table as usize);
            let place = self.place(&segment.offset, table.map_or(0, |table| table.flags))?;
            if !each(index, &segment, place)? {
                break;
            }
        }
        Ok(())
    }

    /// The table that a segment goes to; `None`: one that is imported. `Some(None)`: one that there is not.
    fn own_table<'t>(
        &self,
        segment: &ElementSegment,
        tables: &'t [TableTemplate],
    ) -> Option<Option<&'t TableTemplate>> {
        let imported = self.image.tables().len() - tables.len();
        let own = (segment.table as usize).checked_sub(imported)?;
        Some(tables.get(own))
    }

    /// Where element segments go: whether they fit, and which go to tables of other instances.
    pub(super) fn place_elements(&self, template: &mut Template) -> Result<()> {
        self.each_segment(|index, segment, place| {
            let Some(own) = self.own_table(segment, &template.tables) else {
                let at = Elsewhere {
                    elements: true,
                    segment: index,
                    to: segment.table,
                    place,
                };
                add(&mut template.elsewhere, at)?;
                return Ok(true);
            };
            let fits = own.is_some_and(|table| table.place(segment, place).is_some());
            if !fits {
                template.trap = Some(TrapCode::Table);
            }
            Ok(fits)
        })
    }

    fn apply_segment(&self, segment: &ElementSegment, at: usize, elements: &mut [u64]) {
        let items = self.image.element_items();
        for offset in 0..segment.count as usize {
            let item = items.get(segment.items as usize + offset).unwrap_or(0);
            let value = match item & ITEM_GLOBAL {
                0 => item,
                _ => self
                    .imported(item & !ITEM_GLOBAL)
                    .map_or(0, |value| value.bits() as u64),
            };
            if let Some(element) = elements.get_mut(at + offset) {
                *element = value;
            }
        }
    }

    pub(super) fn apply_data(&self, template: &mut Template) -> Result<()> {
        if template.trap.is_some() {
            return Ok(());
        }
        if self.image.header().flags & FLAG_DYNAMIC_DATA == 0 {
            for run in self.image.initial_runs().iter() {
                let piece = InitialPiece {
                    destination: run.destination,
                    source: run.bytes,
                };
                template.add(run.memory, piece)?;
            }
            return Ok(());
        }
        for (index, segment) in (0u32..).zip(self.image.data_segments().iter()) {
            if segment.mode != SegmentMode::Active as u32 {
                continue;
            }
            let memory = self.image.memories().get(segment.memory as usize);
            let flags = memory.map_or(0, |memory| memory.flags);
            let destination = self.place(&segment.offset, flags)?;
            if flags & FLAG_IMPORTED != 0 {
                let at = Elsewhere {
                    elements: false,
                    segment: index,
                    to: segment.memory,
                    place: destination,
                };
                add(&mut template.elsewhere, at)?;
                continue;
            }
            let end = destination.checked_add(u64::from(segment.bytes.length));
            let most = memory.map_or(0, |memory| memory.minimum_bytes());
            if end.is_none_or(|end| end > most) {
                template.trap = Some(TrapCode::Memory);
                break;
            }
            let piece = InitialPiece {
                destination,
                source: segment.bytes,
            };
            template.add(segment.memory, piece)?;
        }
        Ok(())
    }
}

impl Template {
    fn add(&mut self, memory: u32, piece: InitialPiece) -> Result<()> {
        let memory = self.memories.get_mut(memory as usize).ok_or_else(|| {
            error!(
                Status::BadModule,
                "damaged module: data for a memory that it does not have"
            )
        })?;
        let room = memory.pieces.try_reserve(1);
        room.map_err(|_| Error::no_memory("the initial memory of a module"))?;
        memory.pieces.push(piece);
        Ok(())
    }
}
