//! Assembles the image: the records that tell the runtime what the module is. What they mean is defined in
//! `lucet_format::image::records`.
//!
//! Invariant: records are in the order of the module's index spaces, so an index in the image is the module's.

mod code;

use super::memory;
use super::names;
use super::segments;
use super::text::Text;
use crate::Compiled;
use crate::module::{Constant, MemoryPlace, Module};
use lucet_format::PAGE_SIZE;
use lucet_format::contract::{GUARD, MemoryContract, RESERVATION};
use lucet_format::image::exceptions::Tag;
use lucet_format::image::records::{self, CodeKind, ExternKind, InitialKind, Span};
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
    let types = assembler.function_types();
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
        contract: contract(compiled, types.max_values),
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

struct Types {
    /// Values that the largest call in or out passes or returns.
    max_values: u32,
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

    fn function_types(&mut self) -> Types {
        let imported = self
            .module
            .functions
            .iter()
            .take(self.module.imported_functions as usize);
        let mut called_out = vec![false; self.module.types.len()];
        for function in imported {
            if let Some(mark) = called_out.get_mut(function.function_type as usize) {
                *mark = true;
            }
        }
        let (mut first, mut max_values) = (0u32, 0);
        for ((index, function_type), called_out) in (0u32..).zip(&self.module.types).zip(called_out)
        {
            let (parameters, results) = (
                function_type.parameters.len() as u32,
                function_type.results.len() as u32,
            );
            for value_type in function_type
                .parameters
                .iter()
                .chain(&function_type.results)
            {
                self.writer.push(Section::ValueTypes, &value_type.number());
            }
            let adapter = self
                .text
                .find(CodeKind::Adapter, index)
                .map(|(offset, _)| offset);
            if adapter.is_some() || called_out {
                max_values = parameters.max(results).max(max_values);
            }
            let adapter = adapter.unwrap_or(NONE);
            self.writer.push(
                Section::FunctionTypes,
                &records::FunctionType {
                    first,
                    parameters,
                    results,
                    adapter,
                },
            );
            first += parameters + results;
        }
        Types { max_values }
    }

    fn names_and_entities(&mut self) {
        for step in &self.module.expressions {
            let record = records::ExpressionStep {
                operation: step.operation as u32,
                reserved: 0,
                operand: step.operand,
            };
            self.writer.push(Section::Expressions, &record);
        }
        for tag in &self.module.tags {
            let record = Tag {
                function_type: tag.function_type,
                flags: limits_flags(tag.imported, None, false),
            };
            self.writer.push(Section::Tags, &record);
        }
        self.imports_and_exports();
        self.checked_imports();
        self.functions();
        self.globals();
        self.tables();
        for memory in &self.module.memories {
            let record = records::Memory {
                flags: limits_flags(memory.imported, memory.maximum, memory.index_64),
                page_size_log2: memory.page_size_log2,
                minimum: memory.minimum,
                maximum: memory.maximum.unwrap_or(0),
                state_offset: match memory.place {
                    MemoryPlace::Guarded | MemoryPlace::Checked => 0,
                    MemoryPlace::Described(distance) => distance,
                },
                reserved: 0,
            };
            self.writer.push(Section::Memories, &record);
        }
    }

    fn checked_imports(&mut self) {
        let mut first = 0;
        for (function, import) in &self.module.checked_imports {
            let mut count = 0;
            for (parameter, checked) in (0u32..).zip(&import.parameters) {
                let Some(check) = &checked.check else {
                    continue;
                };
                let record = records::Check {
                    parameter,
                    kind: u32::from(check.kind),
                    limit: check.limit,
                    element: u32::from(check.element),
                    align: u32::from(check.align),
                    reserved: 0,
                };
                self.writer.push(Section::Checks, &record);
                count += 1;
            }
            let record = records::CheckedImport {
                function: *function,
                first,
                count,
                answers: u32::from(import.answer.is_some()),
                answer: import.answer.unwrap_or_default().cast_unsigned(),
            };
            self.writer.push(Section::CheckedImports, &record);
            first += count;
        }
    }

    fn imports_and_exports(&mut self) {
        for import in &self.module.imports {
            let (module, name) = (self.string(&import.module), self.string(&import.name));
            let record = records::Import {
                module,
                name,
                kind: import.kind as u32,
                index: import.index,
            };
            self.writer.push(Section::Imports, &record);
        }
        for (index, export) in (0u32..).zip(&self.module.exports) {
            let name = self.string(&export.name);
            let stub = match export.kind {
                ExternKind::Function => self
                    .text
                    .find(CodeKind::TypedStub, index)
                    .map(|(offset, _)| offset),
                _ => None,
            };
            let (kind, stub) = (export.kind as u32, stub.unwrap_or(NONE));
            self.writer.push(
                Section::Exports,
                &records::Export {
                    name,
                    kind,
                    index: export.index,
                    stub,
                },
            );
        }
    }

    fn functions(&mut self) {
        let imported = self.module.imported_functions;
        for (index, function) in (0u32..).zip(&self.module.functions) {
            let name = function
                .name
                .as_deref()
                .map(names::readable)
                .unwrap_or_default();
            let name = self.name(&name);
            let (code, code_bytes) = self.text.function(index).unwrap_or((NONE, 0));
            let body = index
                .checked_sub(imported)
                .and_then(|defined| self.module.bodies.get(defined as usize));
            let record = records::Function {
                function_type: function.function_type,
                code,
                code_bytes,
                name,
                wasm_offset: body.map_or(0, |body| body.range.start as u32),
                funcref: function.funcref.unwrap_or(NONE),
            };
            self.writer.push(Section::Functions, &record);
            self.functions.push(record);
        }
        for (number, index) in self.module.funcrefs.iter().enumerate() {
            let function = self
                .module
                .functions
                .get(*index as usize)
                .filter(|_| number > 0);
            let record = records::Funcref {
                code: self.text.function(*index).map_or(0, |(offset, _)| offset),
                function_type: function.map_or(NONE, |function| function.function_type),
            };
            self.writer.push(Section::Funcrefs, &record);
        }
    }

    fn globals(&mut self) {
        for global in &self.module.globals {
            let mutable = if global.mutable {
                records::FLAG_MUTABLE
            } else {
                0
            };
            let imported = if global.initial.is_none() {
                records::FLAG_IMPORTED
            } else {
                0
            };
            let initial = global.initial.unwrap_or(Constant::Bits(0));
            let record = records::Global {
                value_type: u32::from(global.value_type.number()),
                flags: mutable | imported,
                state_offset: global.state_offset,
                reserved: 0,
                initial: initial_value(initial, self.module),
            };
            self.writer.push(Section::Globals, &record);
        }
    }

    fn tables(&mut self) {
        for table in &self.module.tables {
            let record = records::Table {
                element_type: u32::from(table.element_type.number()),
                // Every table has elements of its own in each instance, whether or not its code changes them.
                flags: limits_flags(table.imported, table.maximum, table.index_64)
                    | records::FLAG_MUTABLE,
                minimum: table.minimum,
                maximum: table.maximum.unwrap_or(0),
                state_offset: table.state_offset,
                reserved: 0,
                initial: initial_value(table.initial, self.module),
            };
            self.writer.push(Section::Tables, &record);
        }
    }
}

fn limits_flags(imported: bool, maximum: Option<u64>, index_64: bool) -> u32 {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    flag(imported, records::FLAG_IMPORTED)
        | flag(maximum.is_some(), records::FLAG_HAS_MAXIMUM)
        | flag(index_64, records::FLAG_INDEX_64)
}

/// The record of a constant expression.
pub fn initial_value(constant: Constant, module: &Module) -> records::Initial {
    let record = |kind: InitialKind, low: u64, high: u64| records::Initial {
        kind: kind as u32,
        reserved: 0,
        low,
        high,
    };
    match constant {
        Constant::Bits(bits) => record(InitialKind::Constant, bits as u64, (bits >> 64) as u64),
        Constant::ImportedGlobal(index) => record(InitialKind::ImportedGlobal, u64::from(index), 0),
        Constant::Function(index) => record(InitialKind::Funcref, funcref_number(index, module), 0),
        Constant::Null => record(InitialKind::Constant, 0, 0),
        Constant::Expression { first, count } => {
            record(InitialKind::Expression, u64::from(first), u64::from(count))
        }
    }
}

/// The number of the reference to a function. Parsing has numbered every function that a constant refers to.
pub fn funcref_number(function: u32, module: &Module) -> u64 {
    let known = module
        .functions
        .get(function as usize)
        .and_then(|function| function.funcref);
    u64::from(known.unwrap_or(0))
}
