//! The sections of the file, and where they go. The picture is in `lucet_format`.
//!
//! Invariants: in what is loaded, file offsets are addresses; text and what is written at load each have
//! pages of their own. Everything before the image has a constant size, so the image's place is a constant.

use lucet_format::PAGE_SIZE;
use lucet_format::image::elf::{FILE_HEADER_BYTES, PROGRAM_HEADER_BYTES};
use lucet_format::image::records::{BUILD_ID_BYTES, Span};
use lucet_format::runtime::RUNTIME_TABLE_ENTRIES;

/// Bytes of a section header.
pub const SECTION_HEADER_BYTES: u64 = 64;
/// Bytes of a symbol.
pub const SYMBOL_BYTES: u64 = 24;
/// Bytes of an entry of the dynamic section.
pub const DYNAMIC_BYTES: u64 = 16;
/// Program headers in the file.
pub const PROGRAM_HEADERS: u64 = 9;
/// Entries of the dynamic section.
pub const DYNAMIC_ENTRIES: u64 = 6;
/// Bytes of a note's header and its name, "GNU".
pub const NOTE_HEAD_BYTES: u64 = 16;
/// One bucket, and chains for the null symbol and one more.
pub const HASH_BYTES: u64 = 20;
/// The exported symbol, by which tools recognise a module: the image.
pub const DYNAMIC_STRINGS: &[u8] = b"\0lucet_image\0";

const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_HASH: u32 = 5;
const SHT_DYNAMIC: u32 = 6;
const SHT_NOTE: u32 = 7;
const SHT_DYNSYM: u32 = 11;
const LOADED: u64 = 2;
const LOADED_WRITABLE: u64 = 3;
const LOADED_EXECUTABLE: u64 = 6;

/// A section's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Note = 1,
    Hash,
    DynamicSymbols,
    DynamicStrings,
    Image,
    UnwindHeader,
    Frames,
    Text,
    Dynamic,
    RuntimeTable,
    Symbols,
    Strings,
    SectionNames,
}

/// What a section header says besides place and size.
pub struct Description {
    pub part: Part,
    pub name: &'static str,
    pub kind: u32,
    pub flags: u64,
    pub align: u64,
    pub link: u32,
    pub entry_bytes: u64,
}

const fn plain(part: Part, name: &'static str, kind: u32, flags: u64, align: u64) -> Description {
    Description {
        part,
        name,
        kind,
        flags,
        align,
        link: 0,
        entry_bytes: 0,
    }
}

const fn table(
    part: Part,
    name: &'static str,
    kind: u32,
    flags: u64,
    link: Part,
    entry_bytes: u64,
) -> Description {
    Description {
        part,
        name,
        kind,
        flags,
        align: 8,
        link: link as u32,
        entry_bytes,
    }
}

/// Every section, in the order of index and place.
pub const SECTIONS: [Description; 13] = [
    plain(Part::Note, ".note.gnu.build-id", SHT_NOTE, LOADED, 4),
    table(
        Part::Hash,
        ".hash",
        SHT_HASH,
        LOADED,
        Part::DynamicSymbols,
        4,
    ),
    table(
        Part::DynamicSymbols,
        ".dynsym",
        SHT_DYNSYM,
        LOADED,
        Part::DynamicStrings,
        SYMBOL_BYTES,
    ),
    plain(Part::DynamicStrings, ".dynstr", SHT_STRTAB, LOADED, 1),
    plain(Part::Image, ".lucet.image", SHT_PROGBITS, LOADED, 16),
    plain(Part::UnwindHeader, ".eh_frame_hdr", SHT_PROGBITS, LOADED, 4),
    plain(Part::Frames, ".eh_frame", SHT_PROGBITS, LOADED, 8),
    plain(
        Part::Text,
        ".text",
        SHT_PROGBITS,
        LOADED_EXECUTABLE,
        PAGE_SIZE,
    ),
    // The first of the pages behind the text.
    Description {
        align: PAGE_SIZE,
        ..table(
            Part::Dynamic,
            ".dynamic",
            SHT_DYNAMIC,
            LOADED_WRITABLE,
            Part::DynamicStrings,
            DYNAMIC_BYTES,
        )
    },
    plain(
        Part::RuntimeTable,
        ".lucet.runtime",
        SHT_PROGBITS,
        LOADED_WRITABLE,
        8,
    ),
    table(
        Part::Symbols,
        ".symtab",
        SHT_SYMTAB,
        0,
        Part::Strings,
        SYMBOL_BYTES,
    ),
    plain(Part::Strings, ".strtab", SHT_STRTAB, 0, 1),
    plain(Part::SectionNames, ".shstrtab", SHT_STRTAB, 0, 1),
];

/// Sizes that depend on the module.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub image: u64,
    pub unwind_header: u64,
    pub frames: u64,
    pub text: u64,
    pub symbols: u64,
    pub strings: u64,
}

/// The place of every section.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Offset and size by section index; index 0 is unused.
    places: [(u64, u64); SECTIONS.len() + 1],
}

impl Layout {
    /// Puts the sections one behind the other.
    pub fn new(sizes: &Sizes) -> Layout {
        let mut places = [(0, 0); SECTIONS.len() + 1];
        let mut end = headers_end();
        for (section, place) in SECTIONS.iter().zip(&mut places[1..]) {
            let size = size_of(section.part, sizes);
            let offset = end.next_multiple_of(section.align);
            *place = (offset, size);
            end = offset + size;
        }
        Layout { places }
    }

    /// Where the image starts, whatever the sizes.
    pub fn image_start() -> u32 {
        let none = Sizes {
            image: 0,
            unwind_header: 0,
            frames: 0,
            text: 0,
            symbols: 0,
            strings: 0,
        };
        Layout::new(&none).offset(Part::Image) as u32
    }

    pub fn offset(&self, part: Part) -> u64 {
        self.places[part as usize].0
    }

    pub fn size(&self, part: Part) -> u64 {
        self.places[part as usize].1
    }

    pub fn end(&self, part: Part) -> u64 {
        self.offset(part) + self.size(part)
    }

    /// A section as the image refers to it. Only for files within `MAX_FILE_BYTES`.
    pub fn span(&self, part: Part) -> Span {
        Span {
            offset: self.offset(part) as u32,
            length: self.size(part) as u32,
        }
    }

    /// The build id within its note.
    pub fn build_id(&self) -> Span {
        Span {
            offset: (self.offset(Part::Note) + NOTE_HEAD_BYTES) as u32,
            length: BUILD_ID_BYTES as u32,
        }
    }

    /// Where the section headers are.
    pub fn section_headers(&self) -> u64 {
        self.end(Part::SectionNames).next_multiple_of(8)
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.section_headers() + (SECTIONS.len() as u64 + 1) * SECTION_HEADER_BYTES
    }
}

fn headers_end() -> u64 {
    FILE_HEADER_BYTES as u64 + PROGRAM_HEADERS * PROGRAM_HEADER_BYTES as u64
}

fn size_of(part: Part, sizes: &Sizes) -> u64 {
    match part {
        Part::Note => NOTE_HEAD_BYTES + BUILD_ID_BYTES as u64,
        Part::Hash => HASH_BYTES,
        Part::DynamicSymbols => 2 * SYMBOL_BYTES,
        Part::DynamicStrings => DYNAMIC_STRINGS.len() as u64,
        Part::Image => sizes.image,
        Part::UnwindHeader => sizes.unwind_header,
        Part::Frames => sizes.frames,
        Part::Text => sizes.text,
        Part::Dynamic => DYNAMIC_ENTRIES * DYNAMIC_BYTES,
        Part::RuntimeTable => u64::from(RUNTIME_TABLE_ENTRIES) * 8,
        Part::Symbols => (sizes.symbols + 1) * SYMBOL_BYTES,
        Part::Strings => sizes.strings,
        Part::SectionNames => {
            SECTIONS
                .iter()
                .map(|section| section.name.len() as u64 + 1)
                .sum::<u64>()
                + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_in_the_order_of_their_indices() {
        for (position, section) in SECTIONS.iter().enumerate() {
            assert_eq!(section.part as usize, position + 1, "{}", section.name);
        }
    }

    #[test]
    fn text_and_runtime_table_have_pages_of_their_own() {
        let sizes = Sizes {
            image: 777,
            unwind_header: 20,
            frames: 99,
            text: 8192,
            symbols: 3,
            strings: 50,
        };
        let layout = Layout::new(&sizes);
        assert_eq!(layout.offset(Part::Image), u64::from(Layout::image_start()));
        let behind = layout.end(Part::Text);
        assert!(
            layout.offset(Part::Text).is_multiple_of(PAGE_SIZE)
                && layout.end(Part::Frames) <= layout.offset(Part::Text)
        );
        assert_eq!(layout.offset(Part::Dynamic), behind);
        assert!(layout.end(Part::RuntimeTable) <= behind + PAGE_SIZE);
        assert!(layout.end(Part::SectionNames) <= layout.section_headers());
    }
}
