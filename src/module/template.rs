//! What the memory of a fresh instance holds: computed once per link, copied once per instance.
//!
//! Instantiation as <https://webassembly.github.io/spec/core/exec/modules.html#instantiation> has it: globals, tables,
//! element segments in order, data segments in order. A segment that does not fit makes every instance trap before its first
//! instruction; what comes after it is not applied, and nobody can see what came before. Segments that go to other instances' tables and
//! memories are applied by the first entry: `instance::segments`.

use super::CodeImage;
use crate::abi::lucet_value;
use crate::counted::try_collect;
use crate::error::{Error, Result, Status, error};
use crate::linking::{Place, add};
use lucet_format::image::Image;
use lucet_format::image::records::{
    ElementSegment, FLAG_DYNAMIC_DATA, FLAG_HAS_MAXIMUM, FLAG_IMPORTED, FLAG_INDEX_64, ITEM_GLOBAL,
    Initial, InitialKind, Operation, SegmentMode, Span,
};
use lucet_format::trap::TrapCode;
use lucet_format::vmctx::{MEMORY_BASE, MEMORY_LENGTH, TABLE_LENGTH};

/// The most elements of all tables together: what the validator allows for one.
const MAX_TABLE_ELEMENTS: u64 = 10_000_000;

/// A defined table.
#[derive(Clone, Copy, Debug)]
pub struct TableTemplate {
    /// Distance of its descriptor below vmctx.
    pub state_offset: u32,
    /// Its first element in the table area.
    pub first: u64,
    /// Elements at first.
    pub minimum: u64,
    /// Elements at most.
    pub maximum: u64,
    /// What its elements are before segments are applied.
    pub initial: u64,
}

/// Where a linear memory of an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// At vmctx.
    First,
    /// The slot's further memory with this number.
    Further(u32),
    /// Another instance's: see [`crate::linking::Shared`]. Its sizes are not noted here.
    Imported,
}

/// A linear memory.
#[derive(Clone, Debug)]
pub struct MemoryTemplate {
    /// See [`Home`].
    pub home: Home,
    /// Distance of its descriptor below vmctx; 0 without one.
    pub state_offset: u32,
    /// Bytes at first.
    pub minimum: u64,
    /// Bytes at most.
    pub maximum: u64,
    /// Log2 of its page size.
    pub page_size_log2: u32,
    /// What it holds at first, in order.
    pub pieces: Vec<InitialPiece>,
}

/// Bytes to copy into a linear memory.
#[derive(Clone, Copy, Debug)]
pub struct InitialPiece {
    /// Where.
    pub destination: u64,
    /// What, as a range of the module's file.
    pub source: Span,
}

/// An active segment that goes to a table or memory of another instance.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere {
    /// Whether it is an element segment; else it is data.
    pub elements: bool,
    /// Its index.
    pub segment: u32,
    /// The index of the table or memory.
    pub to: u32,
    /// Where in it.
    pub place: u64,
}

/// What instances start from.
#[derive(Debug)]
pub(super) struct Template {
    pub state: Vec<u8>,
    pub tables: Vec<TableTemplate>,
    pub memories: Vec<MemoryTemplate>,
    pub elsewhere: Vec<Elsewhere>,
    pub trap: Option<TrapCode>,
}

/// A module's image, the values of its imported globals, and where its imported memories are.
struct Source<'a> {
    image: Image<'a>,
    globals: &'a [lucet_value],
    memories: &'a [Place],
}

impl Template {
    /// Computes it. `globals` and `memories` are the imported ones in order; of a mutable global, the address of its cell.
    ///
    /// # Errors
    ///
    /// `Limit`, `NoMemory`, and `BadModule` where a checked image still contradicts itself.
    pub fn new(code: &CodeImage, globals: &[lucet_value], memories: &[Place]) -> Result<Template> {
        let source = Source {
            image: code.image(),
            globals,
            memories,
        };
        let memories = source.memories()?;
        let tables = source.tables()?;
        let mut template = Template {
            state: source.state(&tables, &memories)?,
            tables,
            memories,
            elsewhere: Vec::new(),
            trap: None,
        };
        source.place_elements(&mut template)?;
        source.apply_data(&mut template)?;
        Ok(template)
    }
}

/// The elements of all defined tables at first. `globals` are the imported ones in order, `tables` what a template has found.
///
/// # Errors
///
/// `NoMemory`.
pub(super) fn table_elements(
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

impl TableTemplate {
    /// The element behind its last one at first.
    fn end(&self) -> u64 {
        self.first + self.minimum
    }

    /// The first element of a segment that goes there, if the segment fits.
    fn place(&self, segment: &ElementSegment, place: u64) -> Option<usize> {
        let fits = place.saturating_add(u64::from(segment.count)) <= self.minimum;
        fits.then_some((self.first + place) as usize)
    }
}

impl Source<'_> {
    fn memories(&self) -> Result<Vec<MemoryTemplate>> {
        let mut further = 0..;
        let memories = self.image.memories();
        let templates = memories.iter().enumerate().map(|(index, memory)| {
            let imported = memory.flags & FLAG_IMPORTED != 0;
            let home = match index {
                _ if imported => Home::Imported,
                0 => Home::First,
                _ => Home::Further(further.next().unwrap_or(u32::MAX)),
            };
            MemoryTemplate {
                home,
                state_offset: memory.state_offset,
                minimum: if imported { 0 } else { memory.minimum_bytes() },
                maximum: if imported { 0 } else { memory.maximum_bytes() },
                page_size_log2: memory.page_size_log2,
                pieces: Vec::new(),
            }
        });
        try_collect(templates, "the memories of a module")
    }

    fn tables(&self) -> Result<Vec<TableTemplate>> {
        let mut first = 0u64;
        let defined = self
            .image
            .tables()
            .iter()
            .filter(|table| table.flags & FLAG_IMPORTED == 0);
        let mut templates = Vec::new();
        for table in defined {
            let bounded = table.flags & FLAG_HAS_MAXIMUM != 0;
            let maximum = if bounded {
                table.maximum
            } else if table.flags & FLAG_INDEX_64 != 0 {
                u64::MAX
            } else {
                u64::from(u32::MAX)
            };
            let template = TableTemplate {
                state_offset: table.state_offset,
                first,
                minimum: table.minimum,
                maximum,
                initial: self.bits(&table.initial)? as u64,
            };
            add(&mut templates, template)?;
            first = first.saturating_add(table.minimum);
        }
        if first > MAX_TABLE_ELEMENTS {
            return Err(error!(
                Status::Limit,
                "the module's tables start with {first} elements, {MAX_TABLE_ELEMENTS} are the most"
            ));
        }
        Ok(templates)
    }

    /// The state below vmctx: globals and lengths. Addresses are filled in for each instance.
    fn state(&self, tables: &[TableTemplate], memories: &[MemoryTemplate]) -> Result<Vec<u8>> {
        let bytes = self.image.header().contract.state_bytes as usize;
        let mut state = zeroed::<u8>(bytes, "the state of a module")?;
        let mut imported = self.globals.iter();
        for global in self.image.globals().iter() {
            let bits = match imported.next() {
                Some(value) => value.bits(),
                None => self.bits(&global.initial)?,
            };
            put(&mut state, global.state_offset, &bits.to_le_bytes())?;
        }
        for table in tables {
            put(
                &mut state,
                table.state_offset - TABLE_LENGTH,
                &table.minimum.to_le_bytes(),
            )?;
        }
        let own =
            |memory: &&MemoryTemplate| memory.state_offset != 0 && memory.home != Home::Imported;
        for (memory, place) in memories.iter().zip(self.memories) {
            let [base, length] = [place.base, place.length].map(|word| (word as u64).to_le_bytes());
            put(&mut state, memory.state_offset - MEMORY_BASE, &base)?;
            put(&mut state, memory.state_offset - MEMORY_LENGTH, &length)?;
        }
        for memory in memories.iter().filter(own) {
            put(
                &mut state,
                memory.state_offset - MEMORY_LENGTH,
                &memory.minimum.to_le_bytes(),
            )?;
        }
        Ok(state)
    }

    /// The bits of an initial value.
    fn bits(&self, initial: &Initial) -> Result<u128> {
        let contradiction = || {
            error!(
                Status::BadModule,
                "damaged module: an initial value refers to nothing"
            )
        };
        match InitialKind::from_number(initial.kind) {
            Some(InitialKind::Constant) => {
                Ok(u128::from(initial.low) | u128::from(initial.high) << 64)
            }
            Some(InitialKind::Funcref) => Ok(u128::from(initial.low)),
            Some(InitialKind::ImportedGlobal) => self
                .imported(initial.low)
                .map(lucet_value::bits)
                .ok_or_else(contradiction),
            Some(InitialKind::Expression) => self.evaluate(initial).map(u128::from),
            None => Err(contradiction()),
        }
    }

    /// The value of an expression, whose steps have been checked when the module was loaded.
    fn evaluate(&self, initial: &Initial) -> Result<u64> {
        let contradiction = || {
            error!(
                Status::BadModule,
                "damaged module: an expression lacks an operand"
            )
        };
        let steps = self.image.expressions();
        let mut values: Vec<u64> = Vec::new();
        for index in initial.low..initial.low.saturating_add(initial.high) {
            let step = usize::try_from(index).ok();
            let step = step.and_then(|index| steps.get(index));
            let step = step.ok_or_else(contradiction)?;
            let value = match Operation::from_number(step.operation) {
                Some(Operation::Constant) => Some(step.operand),
                Some(Operation::ImportedGlobal) => {
                    let global = self.imported(step.operand);
                    global.map(|value| value.bits() as u64)
                }
                Some(operation) => {
                    let (second, first) = (values.pop(), values.pop());
                    first
                        .zip(second)
                        .and_then(|(first, second)| operation.apply(first, second))
                }
                None => None,
            };
            let room = values.try_reserve(1);
            room.map_err(|_| Error::no_memory("a constant expression"))?;
            values.push(value.ok_or_else(contradiction)?);
        }
        values.pop().ok_or_else(contradiction)
    }

    fn imported(&self, index: u64) -> Option<&lucet_value> {
        self.globals.get(usize::try_from(index).ok()?)
    }

    /// A segment's place in a table or memory with these flags. Offsets count as unsigned.
    fn place(&self, initial: &Initial, flags: u32) -> Result<u64> {
        let bits = self.bits(initial)? as u64;
        Ok(if flags & FLAG_INDEX_64 == 0 {
            u64::from(bits as u32)
        } else {
            bits
        })
    }

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
    fn place_elements(&self, template: &mut Template) -> Result<()> {
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

    fn apply_data(&self, template: &mut Template) -> Result<()> {
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

fn put(state: &mut [u8], distance: u32, bytes: &[u8]) -> Result<()> {
    let start = state.len().checked_sub(distance as usize);
    let place = start.and_then(|start| state.get_mut(start..start + bytes.len()));
    let place = place.ok_or_else(|| {
        error!(
            Status::BadModule,
            "damaged module: a place outside of the state"
        )
    })?;
    place.copy_from_slice(bytes);
    Ok(())
}

fn zeroed<T: Clone + Default>(count: usize, what: &str) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count)
        .map_err(|_| Error::no_memory(what))?;
    all.resize(count, T::default());
    Ok(all)
}
