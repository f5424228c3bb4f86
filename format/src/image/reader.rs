//! The checked reader. [`ImageIndex::parse`] looks at every offset, length and index in the image once, or at as many as [`Integrity`]
//! says; what it returns can be walked without another check, and still every access goes through a slice.

use super::records::{self, Span, record_bytes};
use super::{
    ImageError, MAGIC, MAX_ENTRIES, MAX_FILE_BYTES, Section, Summer, Sums, check, elf, exceptions,
    source, sum,
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
    /// A copy of the file's first bytes, or nothing. What is in it is not looked for in the file.
    head: &'a [u8],
    index: &'a ImageIndex,
}

/// So many bytes at the start of a file have everything that a loader needs to map it, if the file has so many. `lucetc` puts the lists
/// that are read at every load there, too, as far as there is room.
pub const HEAD_BYTES: usize = 8 << 10;

/// Which checksums are compared, and which lists are looked through. What is not compared here somebody else answers for: one who knows
/// that the file is as `lucetc` wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// All of both.
    Verify,
    /// All but what is aside, which [`Image::aside_is_sound`] compares. Whatever is there, reading it does no harm.
    AsideLater,
    /// The same lists as there, and the checksums that [`Summer`] has found while these bytes were written here.
    Summed(Sums),
    /// No checksum, and only lists that do not describe code.
    Trust,
}

impl ImageIndex {
    /// Checks a module file from end to end.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, by name and place.
    pub fn parse(file: &[u8], integrity: Integrity) -> Result<ImageIndex, ImageError> {
        let head = file.get(..HEAD_BYTES).unwrap_or(file);
        let index = ImageIndex::new(head, file.len(), |start| match integrity {
            Integrity::Verify => Some(checksums(file, start)),
            Integrity::AsideLater => Some(summed(file, start, Summer::without_aside)),
            Integrity::Summed(found) => Some(found),
            Integrity::Trust => None,
        })?;
        index.check(&index.view(file), integrity)?;
        Ok(index)
    }

    /// The first half of [`ImageIndex::parse`], for whoever has not mapped the file yet: looks at its first [`HEAD_BYTES`], or all of them.
    /// The other half is [`ImageIndex::check_sum`], unless [`Integrity::Trust`], and [`ImageIndex::check`].
    ///
    /// # Errors
    ///
    /// As [`ImageIndex::parse`].
    pub fn of_head(head: &[u8], file_bytes: usize) -> Result<ImageIndex, ImageError> {
        ImageIndex::new(head, file_bytes, |_| None)
    }

    /// `sum` makes the checksums to compare of a file whose image starts there.
    fn new(
        head: &[u8],
        file_bytes: usize,
        sum: impl FnOnce(usize) -> Option<Sums>,
    ) -> Result<ImageIndex, ImageError> {
        let at = elf::find_image_in(head, file_bytes)?;
        let image = head.get(at.start..).unwrap_or(&[]);
        let image = image.get(..at.len()).unwrap_or(image);
        let header = read_header(image, at.start)?;
        check_size(file_bytes, &header)?;
        let mut index = ImageIndex {
            header,
            sections: [Span::default(); Section::COUNT],
        };
        if let Some(found) = sum(at.start) {
            index.check_sum(found)?;
        }
        check_header(file_bytes, &header)?;
        index.sections = read_sections(image, at.start, &header)?;
        Ok(index)
    }

    /// That the file's checksums are these.
    ///
    /// # Errors
    ///
    /// As [`ImageIndex::parse`].
    pub fn check_sum(&self, found: Sums) -> Result<(), ImageError> {
        let same = |found, expected| {
            if found != expected {
                return Err(ImageError::Checksum { found, expected });
            }
            Ok(())
        };
        same(found.file, self.header.checksum)?;
        let aside = self.header.aside_checksum;
        same(found.aside.unwrap_or(aside), aside)
    }

    /// The second half of [`ImageIndex::parse`]: `image` is a view of this.
    ///
    /// # Errors
    ///
    /// As [`ImageIndex::parse`].
    pub fn check(&self, image: &Image<'_>, integrity: Integrity) -> Result<(), ImageError> {
        check::records(image, integrity)
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
        self.view_with_head(file, &[])
    }

    /// The same, with a copy of the file's first bytes.
    pub fn view_with_head<'a>(&'a self, file: &'a [u8], head: &'a [u8]) -> Image<'a> {
        Image {
            file,
            head,
            index: self,
        }
    }

    /// The header.
    pub fn header(&self) -> &records::Header {
        &self.header
    }
}

fn read_header(image: &[u8], offset: usize) -> Result<records::Header, ImageError> {
    let not = |what| ImageError::NotAModule { what, offset };
    let header =
        records::Header::read(image).ok_or(not("the image is too short for its header"))?;
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

fn check_size(file_bytes: usize, header: &records::Header) -> Result<(), ImageError> {
    let found = file_bytes as u64;
    if header.file_bytes != found || found > MAX_FILE_BYTES {
        return Err(ImageError::FileSize {
            found,
            expected: header.file_bytes,
        });
    }
    Ok(())
}

/// The checksums of a file whose image header starts at `image_start`.
pub fn checksums(file: &[u8], image_start: usize) -> Sums {
    summed(file, image_start, |sum| sum)
}

fn summed(file: &[u8], image_start: usize, how: impl FnOnce(Summer) -> Summer) -> Sums {
    let header = file.get(image_start..).and_then(records::Header::read);
    let aside = header.map_or(Span::default(), |header| header.aside);
    let mut sum = how(Summer::of_image(image_start, aside));
    sum.add(file);
    sum.finish()
}

fn check_header(file_bytes: usize, header: &records::Header) -> Result<(), ImageError> {
    let page = PAGE_SIZE as u32;
    let table_bytes = crate::runtime::RUNTIME_TABLE_ENTRIES * 8;
    check::span("text", header.text, file_bytes)?;
    let before_text = header.text.offset as usize;
    check::span("build id", header.build_id, before_text)?;
    check::span("producer", header.producer, before_text)?;
    check::span("what is aside", header.aside, before_text)?;
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
    image: &[u8],
    offset: usize,
    header: &records::Header,
) -> Result<[Span; Section::COUNT], ImageError> {
    let mut sections = [Span::default(); Section::COUNT];
    let table = Records::<Span>::new(image.get(records::Header::SIZE..).unwrap_or(&[]));
    for section in Section::ALL {
        let span = table.get(section as usize).ok_or(ImageError::NotAModule {
            what: "the section table is cut short",
            offset,
        })?;
        check::span(section.name(), span, header.text.offset as usize)?;
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
        check::aside(section, span, header.aside)?;
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
        let range = start..start + span.length as usize;
        match self.head.get(range.clone()) {
            Some(bytes) => bytes,
            None => self.file.get(range).unwrap_or(&[]),
        }
    }

    /// A name; empty, where it is not UTF-8. Parsing has checked that it is, but for names of functions unless all was compared.
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

    /// A function: looks at no more of the list than its record.
    pub fn function(&self, index: u32) -> Option<records::Function> {
        let section = self.section_span(Section::Functions);
        let length = records::Function::SIZE as u32;
        let distance = index.checked_mul(length)?;
        let inside = distance.checked_add(length)? <= section.length;
        let offset = section.offset.checked_add(distance).filter(|_| inside)?;
        records::Function::read(self.bytes(Span { offset, length }))
    }

    /// Whether what is aside has its checksum. Reads all of it.
    pub fn aside_is_sound(&self) -> bool {
        let header = self.header();
        sum::sum_of(self.bytes(header.aside)) == header.aside_checksum
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

    /// Whether there is text at this offset: so much is known of code that is entered, also of lists that nobody has looked through.
    pub fn is_in_text(&self, offset: u32) -> bool {
        offset < self.header().text.length
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
        // Each is behind the one that it names. In a list that nobody has looked through it may be otherwise: that ends, too.
        let mut known = u32::MAX;
        std::iter::from_fn(move || {
            let position = next.take()?;
            let here = (position != super::NONE).then_some(position);
            let number = here
                .filter(|position| position & records::IN_PLACE != 0)
                .map(|position| position & !records::IN_PLACE)
                .filter(|number| *number < known);
            let record = number.and_then(|number| {
                known = number;
                inlined.get(number as usize)
            });
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
