//! Assembles the image: the records that tell the runtime what the module is. What they mean is defined in
//! `lucet_format::image::records`.
//!
//! Invariant: records are in the order of the module's index spaces, so an index in the image is the module's.

mod code;
mod constants;
mod entities;

use super::memory;
use super::segments;
use super::text::Text;
use crate::Compiled;
use crate::module::Module;
pub use constants::{funcref_number, initial_value};
use lucet_format::PAGE_SIZE;
use lucet_format::contract::{GUARD, MemoryContract, RESERVATION};
use lucet_format::image::records::{self, Span};
use lucet_format::image::writer::{ImageLayout, ImageWriter};
use lucet_format::image::{NONE, Section};
use std::collections::HashMap;

/// Who made the file.
const PRODUCER: &str = concat!("lucetc ", env!("CARGO_PKG_VERSION"));

/// An image whose records are complete but for the places of other parts of the file.
pub struct Image {
    writer: ImageWriter,
    layout: ImageLayout,
    header: records::Header,
}

/// What the image's header says of the rest of the file.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// The text.
    pub text: Span,
    /// The runtime table.
    pub runtime_table: Span,
    /// The build id.
    pub build_id: Span,
}

/// Assembles the image of a module, to start at file offset `start`.
pub fn assemble(compiled: &Compiled, wasm: &[u8], text: &Text<'_>, start: u32) -> Image {
    let module = &compiled.module;
    let mut assembler = Assembler {
        writer: ImageWriter::default(),
        start,
        strings: HashMap::new(),
        names: HashMap::new(),
        functions: Vec::new(),
        module,
        text,
        handlers: 0,
    };
    let producer = assembler.string(PRODUCER);
    let max_values = assembler.function_types();
    assembler.names_and_entities();
    segments::elements(&mut assembler.writer, module);
    let runs = memory::initial_runs(module, wasm);
    let blobs = segments::data(&mut assembler.writer, module, wasm, runs.as_deref());
    assembler.code();
    let mut flags = 0;
    if runs.is_none() {
        flags |= records::FLAG_DYNAMIC_DATA;
    }
    if compiled.stack_check {
        flags |= records::FLAG_STACK_CHECKED;
    }
    if !compiled.uses_vectors() {
        flags |= records::FLAG_NO_VECTORS;
    }
    let mut writer = assembler.writer;
    let layout = writer.layout(start);
    blobs.place(&mut writer, &layout);
    place_names(&mut writer, &layout, assembler.functions);
    let header = records::Header {
        producer,
        flags,
        cpu_features: compiled.cpu_features.0,
        start_function: module.start.unwrap_or(NONE),
        contract: contract(compiled, max_values),
        ..records::Header::default()
    };
    Image {
        writer,
        layout,
        header,
    }
}

impl Image {
    /// Its length in bytes.
    pub fn bytes(&self) -> u32 {
        self.layout.bytes()
    }

    /// The file offset of the funcref records.
    pub fn funcrefs(&self) -> u32 {
        self.layout.section(Section::Funcrefs).offset
    }

    /// Its bytes, complete but for the checksum.
    pub fn finish(&self, places: &Places) -> Vec<u8> {
        let header = records::Header {
            file_bytes: places.file_bytes,
            text: places.text,
            runtime_table: places.runtime_table,
            build_id: places.build_id,
            ..self.header
        };
        self.writer.finish(&self.layout, &header)
    }
}

/// Completes the functions' records, now that their names have a place.
fn place_names(
    writer: &mut ImageWriter,
    layout: &ImageLayout,
    mut functions: Vec<records::Function>,
) {
    let names = layout.section(Section::Names).offset;
    for function in functions.iter_mut().filter(|one| one.name.length > 0) {
        function.name.offset += names;
    }
    writer.replace(Section::Functions, &functions);
}

fn contract(compiled: &Compiled, max_values: u32) -> MemoryContract {
    let module = &compiled.module;
    let own_tables = module.tables.iter().filter(|table| !table.imported);
    let further = module.memories.iter().skip(1);
    let (reservation, guard) = if module.relies_on_reservation {
        (RESERVATION, GUARD)
    } else {
        (0, 0)
    };
    MemoryContract {
        reservation,
        guard,
        state_bytes: module.state_bytes,
        page_size: PAGE_SIZE as u32,
        table_elements: own_tables.fold(0, |sum, table| sum.saturating_add(table.minimum)),
        max_values,
        // Frames touch each of their pages, so one that is inaccessible is enough.
        stack_guard: if compiled.stack_check {
            0
        } else {
            PAGE_SIZE as u32
        },
        further_memories: further.filter(|memory| !memory.imported).count() as u32,
        reserved: 0,
    }
}

struct Assembler<'a> {
    writer: ImageWriter,
    start: u32,
    /// Strings that are already in the image.
    strings: HashMap<String, Span>,
    /// Names of functions that are.
    names: HashMap<String, Span>,
    /// The functions, but for the places of their names.
    functions: Vec<records::Function>,
    module: &'a Module,
    text: &'a Text<'a>,
    /// How many handlers there are so far.
    handlers: u32,
}

impl Assembler<'_> {
    /// A string's final span; equal strings are stored once.
    fn string(&mut self, text: &str) -> Span {
        if text.is_empty() {
            return Span::default();
        }
        if let Some(known) = self.strings.get(text) {
            return *known;
        }
        let span = ImageWriter::place(self.start, self.writer.string(text));
        self.strings.insert(text.to_owned(), span);
        span
    }

    /// A function's name, by its place in its section; equal names are stored once.
    fn name(&mut self, text: &str) -> Span {
        if text.is_empty() {
            return Span::default();
        }
        if let Some(known) = self.names.get(text) {
            return *known;
        }
        let span = self.writer.name(text);
        self.names.insert(text.to_owned(), span);
        span
    }
}
