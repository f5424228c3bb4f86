//! The ELF container: <https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html>.
//!
//! Invariants: no segment is both writable and executable, and nothing needs a relocation. The runtime reads
//! only the program header of type `PT_LUCET`; all else is for debuggers, profilers and the dynamic linker.
//!
//! It does not know what an image or text consists of.

pub mod layout;

use crate::error::{Error, Result};
use layout::{
    DYNAMIC_STRINGS, Layout, PROGRAM_HEADERS, Part, SECTION_HEADER_BYTES, SECTIONS, SYMBOL_BYTES,
};
use lucet_format::PAGE_SIZE;
use lucet_format::image::PT_LUCET;
use lucet_format::image::elf::{FILE_HEADER_BYTES, PROGRAM_HEADER_BYTES};
use lucet_format::image::records::BUILD_ID_BYTES;

const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;
const DT_NULL: u64 = 0;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const LOCAL_FUNCTION: u8 = 2;
const GLOBAL_OBJECT: u8 = 0x11;

/// A symbol in the text.
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its text offset.
    pub start: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// What the sections contain that depends on the module.
pub struct Contents<'a> {
    pub image: &'a [u8],
    pub unwind_header: &'a [u8],
    pub frames: &'a [u8],
    pub text: &'a [u8],
    pub symbols: &'a [Symbol],
}

/// Bytes of the string table for the symbols.
pub fn string_bytes(symbols: &[Symbol]) -> u64 {
    1 + symbols
        .iter()
        .map(|symbol| symbol.name.len() as u64 + 1)
        .sum::<u64>()
}

/// Writes the file. The build id is zero.
pub fn write(layout: &Layout, contents: &Contents<'_>) -> Result<Vec<u8>> {
    let mut file = File {
        bytes: Vec::with_capacity(layout.file_bytes() as usize),
        layout,
    };
    file.file_header();
    file.program_headers();
    for section in &SECTIONS {
        file.pad_to(layout.offset(section.part))?;
        file.section(section.part, contents);
        if file.bytes.len() as u64 != layout.end(section.part) {
            return Err(Error::Internal(format!(
                "section {} has another size than planned",
                section.name
            )));
        }
    }
    file.pad_to(layout.section_headers())?;
    file.section_headers(contents);
    Ok(file.bytes)
}

struct File<'a> {
    bytes: Vec<u8>,
    layout: &'a Layout,
}

impl File<'_> {
    fn pad_to(&mut self, offset: u64) -> Result<()> {
        if self.bytes.len() as u64 > offset {
            return Err(Error::Internal(format!(
                "the part at {offset:#x} overlaps the one before"
            )));
        }
        self.bytes.resize(offset as usize, 0);
        Ok(())
    }

    fn half(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn file_header(&mut self) {
        // 64 bits, little-endian, version 1, System V.
        self.bytes
            .extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.half(ET_DYN);
        self.half(EM_X86_64);
        self.word(1);
        self.long(0);
        self.long(FILE_HEADER_BYTES as u64);
        self.long(self.layout.section_headers());
        self.word(0);
        self.half(FILE_HEADER_BYTES as u16);
        self.half(PROGRAM_HEADER_BYTES as u16);
        self.half(PROGRAM_HEADERS as u16);
        self.half(SECTION_HEADER_BYTES as u16);
        self.half(SECTIONS.len() as u16 + 1);
        self.half(Part::SectionNames as u16);
    }

    fn program_headers(&mut self) {
        let layout = self.layout;
        let at = |part: Part| (layout.offset(part), layout.size(part));
        let (text, text_bytes) = at(Part::Text);
        let written = layout.offset(Part::Dynamic);
        let written_bytes = layout.end(Part::RuntimeTable) - written;
        self.program_header(
            PT_LOAD,
            READ,
            (0, layout.end(Part::Frames)),
            None,
            PAGE_SIZE,
        );
        self.program_header(PT_LOAD, READ | EXECUTE, (text, text_bytes), None, PAGE_SIZE);
        // A whole page, so that all of it can be protected after the dynamic linker has written to it.
        self.program_header(
            PT_LOAD,
            READ | WRITE,
            (written, written_bytes),
            Some(PAGE_SIZE),
            PAGE_SIZE,
        );
        self.program_header(PT_DYNAMIC, READ | WRITE, at(Part::Dynamic), None, 8);
        self.program_header(PT_NOTE, READ, at(Part::Note), None, 4);
        self.program_header(PT_GNU_EH_FRAME, READ, at(Part::UnwindHeader), None, 4);
        self.program_header(
            PT_GNU_RELRO,
            READ,
            (written, written_bytes),
            Some(PAGE_SIZE),
            1,
        );
        self.program_header(PT_GNU_STACK, READ | WRITE, (0, 0), None, 16);
        self.program_header(PT_LUCET, READ, at(Part::Image), None, 16);
    }

    fn program_header(
        &mut self,
        kind: u32,
        flags: u32,
        file: (u64, u64),
        memory_bytes: Option<u64>,
        align: u64,
    ) {
        let (offset, file_bytes) = file;
        self.word(kind);
        self.word(flags);
        // File offset, virtual address and physical address are the same.
        self.long(offset);
        self.long(offset);
        self.long(offset);
        self.long(file_bytes);
        self.long(memory_bytes.unwrap_or(file_bytes));
        self.long(align);
    }

    fn section(&mut self, part: Part, contents: &Contents<'_>) {
        match part {
            Part::Note => self.note(),
            Part::Hash => {
                // One bucket that starts with symbol 1, and two chains that end.
                for value in [1, 2, 1, 0, 0] {
                    self.word(value);
                }
            }
            Part::DynamicSymbols => {
                self.bytes
                    .resize(self.bytes.len() + SYMBOL_BYTES as usize, 0);
                let (offset, size) = (
                    self.layout.offset(Part::Image),
                    self.layout.size(Part::Image),
                );
                self.symbol(1, GLOBAL_OBJECT, Part::Image, offset, size);
            }
            Part::DynamicStrings => self.bytes.extend_from_slice(DYNAMIC_STRINGS),
            Part::Image => self.bytes.extend_from_slice(contents.image),
            Part::UnwindHeader => self.bytes.extend_from_slice(contents.unwind_header),
            Part::Frames => self.bytes.extend_from_slice(contents.frames),
            Part::Text => self.bytes.extend_from_slice(contents.text),
            Part::Dynamic => self.dynamic(),
            // The loader fills it.
            Part::RuntimeTable => self
                .bytes
                .resize(self.layout.end(Part::RuntimeTable) as usize, 0),
            Part::Symbols => self.symbols(contents.symbols),
            Part::Strings => {
                self.strings(contents.symbols.iter().map(|symbol| symbol.name.as_str()))
            }
            Part::SectionNames => self.strings(SECTIONS.iter().map(|section| section.name)),
        }
    }

    fn note(&mut self) {
        self.word(4);
        self.word(BUILD_ID_BYTES as u32);
        self.word(NT_GNU_BUILD_ID);
        self.bytes.extend_from_slice(b"GNU\0");
        self.bytes.resize(self.bytes.len() + BUILD_ID_BYTES, 0);
    }

    fn dynamic(&mut self) {
        let layout = self.layout;
        let entries = [
            (DT_HASH, layout.offset(Part::Hash)),
            (DT_STRTAB, layout.offset(Part::DynamicStrings)),
            (DT_SYMTAB, layout.offset(Part::DynamicSymbols)),
            (DT_STRSZ, layout.size(Part::DynamicStrings)),
            (DT_SYMENT, SYMBOL_BYTES),
            (DT_NULL, 0),
        ];
        for (tag, value) in entries {
            self.long(tag);
            self.long(value);
        }
    }

    fn symbols(&mut self, symbols: &[Symbol]) {
        self.bytes
            .resize(self.bytes.len() + SYMBOL_BYTES as usize, 0);
        let text = self.layout.offset(Part::Text);
        let mut name = 1;
        for symbol in symbols {
            let address = text + u64::from(symbol.start);
            self.symbol(
                name,
                LOCAL_FUNCTION,
                Part::Text,
                address,
                u64::from(symbol.length),
            );
            name += symbol.name.len() as u32 + 1;
        }
    }

    fn symbol(&mut self, name: u32, info: u8, section: Part, value: u64, size: u64) {
        self.word(name);
        self.bytes.extend_from_slice(&[info, 0]);
        self.half(section as u16);
        self.long(value);
        self.long(size);
    }

    fn strings<'s>(&mut self, strings: impl Iterator<Item = &'s str>) {
        self.bytes.push(0);
        for string in strings {
            self.bytes.extend_from_slice(string.as_bytes());
            self.bytes.push(0);
        }
    }

    fn section_headers(&mut self, contents: &Contents<'_>) {
        self.bytes
            .resize(self.bytes.len() + SECTION_HEADER_BYTES as usize, 0);
        let mut name = 1;
        for section in &SECTIONS {
            let loaded = section.flags != 0;
            let offset = self.layout.offset(section.part);
            // The number of local symbols.
            let info = match section.part {
                Part::DynamicSymbols => 1,
                Part::Symbols => contents.symbols.len() as u32 + 1,
                _ => 0,
            };
            self.word(name);
            self.word(section.kind);
            self.long(section.flags);
            self.long(if loaded { offset } else { 0 });
            self.long(offset);
            self.long(self.layout.size(section.part));
            self.word(section.link);
            self.word(info);
            self.long(section.align);
            self.long(section.entry_bytes);
            name += section.name.len() as u32 + 1;
        }
    }
}
