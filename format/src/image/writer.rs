//! Builds an image. The compiler adds records; where sections end up in the file is decided here, so that
//! the header, the section table and the spans agree by construction.
//!
//! The parts of a file that are not the image (the ELF container, text, debugging aids) are the compiler's.

use super::records::{self, Span};
use super::{MAGIC, Section, reader};
use crate::bytes::Record;
use crate::{ABI_REVISION, FORMAT_REVISION};

/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 16;
/// Where the checksum of what is aside stands.
pub const ASIDE_CHECKSUM_OFFSET: usize = 72;

/// Sections under construction.
#[derive(Clone, Debug)]
pub struct ImageWriter {
    sections: Vec<Vec<u8>>,
    blobs: Vec<u8>,
}

/// A range of the bytes that go behind the sections; becomes a [`Span`] once the image has its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blob {
    /// Offset in the blobs.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
}

/// How the image of some content is laid out in the file.
#[derive(Clone, Debug)]
pub struct ImageLayout {
    start: u32,
    sections: [Span; Section::COUNT],
    blobs: Span,
}

impl Default for ImageWriter {
    fn default() -> Self {
        ImageWriter {
            sections: vec![Vec::new(); Section::COUNT],
            blobs: Vec::new(),
        }
    }
}

impl ImageWriter {
    /// Appends a record and returns its index.
    pub fn push<R: Record>(&mut self, section: Section, record: &R) -> u32 {
        let bytes = &mut self.sections[section as usize];
        let index = bytes.len() / R::SIZE;
        record.write(bytes);
        index as u32
    }

    /// Appends a string to [`Section::Strings`]. Its span is relative to the section; see [`ImageWriter::place`].
    pub fn string(&mut self, text: &str) -> Span {
        self.text(Section::Strings, text)
    }

    /// Appends a function's name to [`Section::Names`]. Its span is relative to the section, whose place [`ImageWriter::layout`] finds.
    pub fn name(&mut self, text: &str) -> Span {
        self.text(Section::Names, text)
    }

    fn text(&mut self, section: Section, text: &str) -> Span {
        let texts = &mut self.sections[section as usize];
        let span = Span {
            offset: texts.len() as u32,
            length: text.len() as u32,
        };
        texts.extend_from_slice(text.as_bytes());
        span
    }

    /// Appends bytes behind the sections, aligned to `align`.
    pub fn blob(&mut self, bytes: &[u8], align: usize) -> Blob {
        self.blobs
            .resize(self.blobs.len().next_multiple_of(align), 0);
        let blob = Blob {
            offset: self.blobs.len() as u32,
            length: bytes.len() as u32,
        };
        self.blobs.extend_from_slice(bytes);
        blob
    }

    /// The final span of a string, when the image starts at `start`.
    ///
    /// The strings come first behind the section table, so that spans are known before the other sections are complete.
    pub fn place(start: u32, string: Span) -> Span {
        Span {
            offset: start + strings_offset() + string.offset,
            length: string.length,
        }
    }

    /// Lays out the sections for an image that starts at file offset `start` (16-aligned).
    pub fn layout(&self, start: u32) -> ImageLayout {
        let mut at = start + strings_offset();
        let mut sections = [Span::default(); Section::COUNT];
        for section in Section::PLACES {
            let length = self.sections[section as usize].len() as u32;
            at = at.next_multiple_of(8);
            sections[section as usize] = Span { offset: at, length };
            at += length;
        }
        let offset = at.next_multiple_of(16);
        ImageLayout {
            start,
            sections,
            blobs: Span {
                offset,
                length: self.blobs.len() as u32,
            },
        }
    }

    /// Replaces a section's records, for those that hold spans known only after [`ImageWriter::layout`]. The length must not change.
    pub fn replace<R: Record>(&mut self, section: Section, records: &[R]) {
        let bytes = &mut self.sections[section as usize];
        bytes.clear();
        for record in records {
            record.write(bytes);
        }
    }

    /// The image's bytes: header, section table, sections, blobs. The checksums are still zero; see [`seal`].
    pub fn finish(&self, layout: &ImageLayout, header: &records::Header) -> Vec<u8> {
        let mut out = Vec::with_capacity(layout.bytes() as usize);
        let header = records::Header {
            magic: u64::from_le_bytes(MAGIC),
            format_revision: FORMAT_REVISION,
            abi_revision: ABI_REVISION,
            checksum: 0,
            aside: layout.aside(),
            aside_checksum: 0,
            ..*header
        };
        header.write(&mut out);
        for span in &layout.sections {
            span.write(&mut out);
        }
        for section in Section::PLACES {
            out.resize(
                (layout.sections[section as usize].offset - layout.start) as usize,
                0,
            );
            out.extend_from_slice(&self.sections[section as usize]);
        }
        out.resize((layout.blobs.offset - layout.start) as usize, 0);
        out.extend_from_slice(&self.blobs);
        out
    }
}

impl ImageLayout {
    /// Bytes of the image.
    pub fn bytes(&self) -> u32 {
        self.blobs.offset + self.blobs.length - self.start
    }

    /// The final span of a blob.
    pub fn blob(&self, blob: Blob) -> Span {
        Span {
            offset: self.blobs.offset + blob.offset,
            length: blob.length,
        }
    }

    /// The range of the sections that are aside, which are together.
    fn aside(&self) -> Span {
        let spans = Section::ALL
            .into_iter()
            .filter(|section| section.is_aside())
            .map(|section| self.section(section));
        let start = spans.clone().map(|span| span.offset).min().unwrap_or(0);
        let end = spans.map(|span| span.offset + span.length).max();
        Span {
            offset: start,
            length: end.map_or(0, |end| end - start),
        }
    }

    /// Where a section is.
    pub fn section(&self, section: Section) -> Span {
        self.sections[section as usize]
    }
}

fn strings_offset() -> u32 {
    (records::Header::SIZE + Section::COUNT * Span::SIZE).next_multiple_of(8) as u32
}

/// Writes the checksums of a complete file into its image's header.
pub fn seal(file: &mut [u8], image_start: usize) {
    // That of the file covers the other one.
    let aside = reader::checksums(file, image_start).aside;
    put(
        file,
        image_start + ASIDE_CHECKSUM_OFFSET,
        aside.unwrap_or(0),
    );
    let sum = reader::checksums(file, image_start).file;
    put(file, image_start + CHECKSUM_OFFSET, sum);
}

fn put(file: &mut [u8], at: usize, sum: u64) {
    file[at..at + size_of::<u64>()].copy_from_slice(&sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_where_they_are_written() {
        let header = records::Header {
            checksum: 0x1122_3344_5566_7788,
            aside_checksum: 0x99aa_bbcc_ddee_ff00,
            ..records::Header::default()
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        let at = |place: usize| u64::read(&bytes[place..]);
        assert_eq!(at(CHECKSUM_OFFSET), Some(header.checksum));
        assert_eq!(at(ASIDE_CHECKSUM_OFFSET), Some(header.aside_checksum));
    }
}
