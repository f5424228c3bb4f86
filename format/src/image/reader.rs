//! The checked reader. [`Image::parse`] looks at every offset, length and index in the image once; what it
//! returns can be walked without another check, and still every access goes through a slice.

use super::records::{self, Span, record_bytes};
use super::{
    ImageError, MAGIC, MAX_ENTRIES, MAX_FILE_BYTES, Section, Summer, check, elf, exceptions, source,
};
use crate::bytes::{Record, Records};
use crate::trap::TrapCode;
use crate::value::ValueType;
use crate::{ABI_REVISION, FORMAT_REVISION, PAGE_SIZE};

/// Where the parts of a checked image are. Holds no reference, so it can live beside the mapping.
#[derive(Clone, Copy, Debug)]
pub struct ImageIndex {
    header: records::Header,
    sections: [Span; Section::COUNT],
}

/// A checked image.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    file: &'a [u8],
    index: &'a ImageIndex,
}

/// Whether the checksum is compared, and lists that are only searched are looked through. Only a caller who knows that the file
/// cannot have changed since that was done before may leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Compare.
    Verify,
    /// Compare what [`Summer`] has found while these bytes were written here.
    Summed(u64),
    /// Do not.
    Trust,
}

impl ImageIndex {
    /// Checks a module file from end to end.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, by name and place.
    pub fn parse(file: &[u8], integrity: Integrity) -> Result<ImageIndex, ImageError> {
        let at = elf::find_image(file)?;
        let header = read_header(file, &at)?;
        check_size_and_sum(file, &header, at.start, integrity)?;
        check_header(file, &header)?;
        let sections = read_sections(file, &at)?;
        let index = ImageIndex { header, sections };
        check::records(
            &Image {
                file,
                index: &index,
            },
            integrity,
        )?;
        Ok(index)
    }

    /// An index of sections that nobody has checked.
    #[cfg(test)]
    pub(super) fn of_sections(sections: [Span; Section::COUNT]) -> ImageIndex {
        ImageIndex {
            header: records::Header::default(),
            sections,
        }
    }

    /// The image, given the same bytes that were parsed.
    pub fn view<'a>(&'a self, file: &'a [u8]) -> Image<'a> {
        Image { file, index: self }
    }

    /// The header.
    pub fn header(&self) -> &records::Header {
        &self.header
    }
}

fn read_header(file: &[u8], at: &std::ops::Range<usize>) -> Result<records::Header, ImageError> {
    let not = |what| ImageError::NotAModule {
        what,
        offset: at.start,
    };
    let header = records::Header::read(&file[at.clone()])
        .ok_or(not("the image is too short for its header"))?;
    if header.magic != u64::from_le_bytes(MAGIC) {
        return Err(not("the image does not start with its magic number"));
    }
    if header.format_revision != FORMAT_REVISION {
        return Err(ImageError::FormatRevision {
            found: header.format_revision,
            expected: FORMAT_REVISION,
        });
    }
    if header.abi_revision != ABI_REVISION {
        return Err(ImageError::AbiRevision {
            found: header.abi_revision,
            expected: ABI_REVISION,
        });
    }
    Ok(header)
}

fn check_size_and_sum(
    file: &[u8],
    header: &records::Header,
    image_start: usize,
    integrity: Integrity,
) -> Result<(), ImageError> {
    let found = file.len() as u64;
    if header.file_bytes != found || found > MAX_FILE_BYTES {
        return Err(ImageError::FileSize {
            found,
            expected: header.file_bytes,
        });
    }
    let found = match integrity {
        Integrity::Verify => checksum(file, image_start),
        Integrity::Summed(found) => found,
        Integrity::Trust => return Ok(()),
    };
    if found != header.checksum {
        return Err(ImageError::Checksum {
            found,
            expected: header.checksum,
        });
    }
    Ok(())
}

/// The checksum of a file whose image header starts at `image_start`: every byte but the checksum's own.
pub fn checksum(file: &[u8], image_start: usize) -> u64 {
    let mut sum = Summer::of_image(image_start);
    sum.add(file);
    sum.finish()
}

fn check_header(file: &[u8], header: &records::Header) -> Result<(), ImageError> {
    let page = PAGE_SIZE as u32;
    let table_bytes = crate::runtime::RUNTIME_TABLE_ENTRIES * 8;
    check::span("text", header.text, file.len())?;
    check::span("build id", header.build_id, file.len())?;
    check::span("producer", header.producer, file.len())?;
    let reject = |what, found: u32| {
        Err(ImageError::Header {
            what,
            found: u64::from(found),
        })
    };
    if !header.text.offset.is_multiple_of(page) || header.text.offset == 0 {
        return reject("the text's offset", header.text.offset);
    }
    if !header.text.length.is_multiple_of(page) || header.text.length == 0 {
        return reject("the text's length", header.text.length);
    }
    let behind_text = header.text.offset + header.text.length;
    let table = header.runtime_table;
    if table.offset < behind_text
        || table.offset >= behind_text + page
        || !table.offset.is_multiple_of(8)
    {
        return reject("the runtime table's offset", table.offset);
    }
    if table.length != table_bytes || table.offset + table.length > behind_text + page {
        return reject("the runtime table's length", table.length);
    }
    if header.build_id.length as usize != records::BUILD_ID_BYTES {
        return reject("the build id's length", header.build_id.length);
    }
    check::contract(&header.contract)
}

fn read_sections(
    file: &[u8],
    at: &std::ops::Range<usize>,
) -> Result<[Span; Section::COUNT], ImageError> {
    let mut sections = [Span::default(); Section::COUNT];
    let table = Records::<Span>::new(
        file.get(at.start + records::Header::SIZE..at.end)
            .unwrap_or(&[]),
    );
    for section in Section::ALL {
        let span = table.get(section as usize).ok_or(ImageError::NotAModule {
            what: "the section table is cut short",
            offset: at.start,
        })?;
        check::span(section.name(), span, file.len())?;
        let size = record_bytes(section);
        let count = span.length as usize / size;
        if !(span.length as usize).is_multiple_of(size)
            || (size > 1 && count > section_limit(section))
        {
            return Err(ImageError::Header {
                what: section.name(),
                found: u64::from(span.length),
            });
        }
        sections[section as usize] = span;
    }
    Ok(sections)
}

/// Trap sites, positions and items follow the size of the code, not the number of entities.
fn section_limit(section: Section) -> usize {
    match section {
        Section::TrapOffsets
        | Section::SourceMap
        | Section::SourceBlocks
        | Section::ElementItems
        | Section::CallSites
        | Section::Inlined
        | Section::Handlers => usize::MAX,
        Section::CodeRanges => 4 * MAX_ENTRIES as usize,
        _ => 2 * MAX_ENTRIES as usize,
    }
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident: $section:ident of $record:ty;)*) => { $(
        $(#[$doc])*
        pub fn $name(&self) -> Records<'a, $record> {
            Records::new(self.section(Section::$section))
        }
    )* };
}

impl<'a> Image<'a> {
    /// The header.
    pub fn header(&self) -> &'a records::Header {
        &self.index.header
    }

    /// The bytes of a section.
    pub fn section(&self, section: Section) -> &'a [u8] {
        self.bytes(self.index.sections[section as usize])
    }

    /// Where a section is in the file.
    pub fn section_span(&self, section: Section) -> Span {
        self.index.sections[section as usize]
    }

    /// A range of the file; empty when it is not one, which parsing has excluded for the spans of an image.
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        let start = span.offset as usize;
        self.file
            .get(start..start + span.length as usize)
            .unwrap_or(&[])
    }

    /// A name. Parsing has checked that it is UTF-8.
    pub fn text(&self, span: Span) -> &'a str {
        std::str::from_utf8(self.bytes(span)).unwrap_or("")
    }

    sections! {
        /// The function types.
        function_types: FunctionTypes of records::FunctionType;
        /// The imports.
        imports: Imports of records::Import;
        /// The exports, sorted by name.
        exports: Exports of records::Export;
        /// The functions.
        functions: Functions of records::Function;
        /// The globals.
        globals: Globals of records::Global;
        /// The tables.
        tables: Tables of records::Table;
        /// The memories.
        memories: Memories of records::Memory;
        /// The element segments.
        element_segments: ElementSegments of records::ElementSegment;
        /// Items of element segments.
        element_items: ElementItems of u64;
        /// The data segments.
        data_segments: DataSegments of records::DataSegment;
        /// What memory 0 holds at first.
        initial_runs: InitialRuns of records::InitialRun;
        /// Parts of the source map.
        source_blocks: SourceBlocks of source::SourceBlock;
        /// What the text consists of.
        code_ranges: CodeRanges of records::CodeRange;
        /// Functions that can be referred to.
        funcrefs: Funcrefs of records::Funcref;
        /// Steps of expressions.
        expressions: Expressions of records::ExpressionStep;
        /// Functions whose arguments compiled code checks.
        checked_imports: CheckedImports of records::CheckedImport;
        /// What it checks.
        checks: Checks of records::Check;
        /// The tags.
        tags: Tags of exceptions::Tag;
        /// Calls that have handlers, ascending.
        call_sites: CallSites of exceptions::CallSite;
        /// Handlers of exceptions.
        handlers: Handlers of exceptions::Handler;
        /// Positions of what is in place of calls.
        inlined: Inlined of records::InlinedPosition;
        /// Text offsets of instructions that may trap.
        trap_offsets: TrapOffsets of u32;
    }

    /// The build id: what the ELF note of the same name holds.
    pub fn build_id(&self) -> &'a [u8] {
        self.bytes(self.header().build_id)
    }

    /// The parameters of a function type.
    pub fn parameters(
        &self,
        of: &records::FunctionType,
    ) -> impl Iterator<Item = ValueType> + use<'a> {
        self.value_types(of.first, of.parameters)
    }

    /// The results of a function type.
    pub fn results(&self, of: &records::FunctionType) -> impl Iterator<Item = ValueType> + use<'a> {
        self.value_types(of.first.saturating_add(of.parameters), of.results)
    }

    fn value_types(&self, first: u32, count: u32) -> impl Iterator<Item = ValueType> + use<'a> {
        let all = self.section(Section::ValueTypes);
        let chosen = all
            .get(first as usize..first as usize + count as usize)
            .unwrap_or(&[]);
        chosen
            .iter()
            .filter_map(|number| ValueType::from_number(*number))
    }

    /// The export with this name (binary search).
    pub fn export(&self, name: &[u8]) -> Option<(usize, records::Export)> {
        let exports = self.exports();
        let index = exports.partition_point(|export| self.bytes(export.name) < name);
        let export = exports.get(index)?;
        (self.bytes(export.name) == name).then_some((index, export))
    }

    /// The trap that the instruction at this text offset stands for. Allocates nothing and cannot panic: fit
    /// for signal handlers.
    pub fn trap_at(&self, text_offset: u32) -> Option<TrapCode> {
        let offsets = self.trap_offsets();
        let index = offsets.partition_point(|offset| *offset < text_offset);
        if offsets.get(index)? != text_offset {
            return None;
        }
        TrapCode::from_number(u32::from(*self.section(Section::TrapCodes).get(index)?))
    }

    /// The range of code that a text offset lies in. Fit for signal handlers.
    pub fn code_at(&self, text_offset: u32) -> Option<records::CodeRange> {
        let ranges = self.code_ranges();
        let next = ranges.partition_point(|range| range.start <= text_offset);
        let range = ranges.get(next.checked_sub(1)?)?;
        (text_offset - range.start < range.length).then_some(range)
    }

    /// The offset in the wasm file that an instruction comes from.
    pub fn wasm_offset_at(&self, text_offset: u32) -> Option<u32> {
        let position = self.position_at(text_offset);
        if position == super::NONE || position & records::IN_PLACE == 0 {
            return (position != super::NONE).then_some(position);
        }
        let inlined = self
            .inlined()
            .get((position & !records::IN_PLACE) as usize)?;
        Some(inlined.wasm)
    }

    /// Where an instruction in a function's code comes from: the innermost of the functions that are in place there first, this one
    /// last. Each with the offset in the wasm file, where that is known.
    pub fn places_at(
        &self,
        text_offset: u32,
        function: u32,
    ) -> impl Iterator<Item = (u32, Option<u32>)> + use<'a> {
        let inlined = self.inlined();
        let mut next = Some(self.position_at(text_offset));
        std::iter::from_fn(move || {
            let position = next.take()?;
            let here = (position != super::NONE).then_some(position);
            let record = here
                .filter(|position| position & records::IN_PLACE != 0)
                .and_then(|position| inlined.get((position & !records::IN_PLACE) as usize));
            match record {
                Some(record) => {
                    next = Some(record.outer);
                    Some((record.function, Some(record.wasm)))
                }
                None => Some((function, here)),
            }
        })
    }
}
