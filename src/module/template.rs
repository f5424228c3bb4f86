//! What the memory of a fresh instance holds: computed once per link, copied once per instance.
//!
//! Instantiation as <https://webassembly.github.io/spec/core/exec/modules.html#instantiation> has it: globals, tables,
//! element segments in order, data segments in order. A segment that does not fit makes every instance trap before its first
//! instruction; what comes after it is not applied, and nobody can see what came before. Segments that go to other instances' tables and
//! memories are applied by the first entry: `instance::segments`.

mod constants;
mod segments;

use super::CodeImage;
use crate::abi::lucet_value;
use crate::counted::try_collect;
use crate::error::{Error, Result, Status, error};
use crate::linking::{Place, add};
use lucet_format::image::Image;
use lucet_format::image::records::{
    ElementSegment, FLAG_HAS_MAXIMUM, FLAG_IMPORTED, FLAG_INDEX_64, Span,
};
use lucet_format::trap::TrapCode;
use lucet_format::vmctx::{MEMORY_BASE, MEMORY_LENGTH, TABLE_LENGTH};
pub(super) use segments::table_elements;

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
