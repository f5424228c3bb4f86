//! The checksums of a module's file, XXH3-64 both: of what is aside ([`records::Header::aside`]), and of every other byte but the checksum's
//! own. For whoever has the whole file, and for whoever reads it piece by piece.

use super::records::{self, Span};
use super::{ImageError, elf, writer::CHECKSUM_OFFSET};
use crate::bytes::Record;
use std::hash::Hasher;
use std::ops::Range;
use twox_hash::xxhash3_64::{RawHasher, SecretBuffer};

/// The secret that every XXH3-64 without one of its own has.
type Secret = &'static [u8; 192];

/// What has been found of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Of all that is not aside.
    pub file: u64,
    /// Of what is; `None`: nobody has looked.
    pub aside: Option<u64>,
}

/// Checksums in the making.
pub struct Summer {
    file: RawHasher<Secret>,
    aside: Option<RawHasher<Secret>>,
    /// Where the checksum itself is.
    field: Range<usize>,
    /// What is aside: behind the checksum.
    set_aside: Range<usize>,
    /// How much of the file has been added.
    at: usize,
}

impl Summer {
    /// For a file of so many bytes that begins with `head`.
    ///
    /// # Errors
    ///
    /// `NotAModule`: no module's file begins so, or one whose headers reach beyond.
    pub fn new(head: &[u8], file_bytes: usize) -> Result<Summer, ImageError> {
        let image = elf::find_image_in(head, file_bytes)?;
        let header = head.get(image.start..).and_then(records::Header::read);
        let header = header.ok_or(ImageError::NotAModule {
            what: "the image's header is out of reach",
            offset: image.start,
        })?;
        Ok(Summer::of_image(image.start, header.aside))
    }

    /// For a file whose image starts there.
    pub(super) fn of_image(start: usize, aside: Span) -> Summer {
        let field = start.saturating_add(CHECKSUM_OFFSET);
        let behind = field.saturating_add(size_of::<u64>());
        let from = (aside.offset as usize).max(behind);
        let to = (aside.offset as usize).saturating_add(aside.length as usize);
        Summer {
            file: hasher(),
            aside: Some(hasher()),
            field: field..behind,
            set_aside: from..to.max(from),
            at: 0,
        }
    }

    /// Does not look at what is aside.
    pub fn without_aside(self) -> Summer {
        Summer {
            aside: None,
            ..self
        }
    }

    /// Adds the bytes that follow.
    pub fn add(&mut self, bytes: &[u8]) {
        let inside = |place: usize| place.saturating_sub(self.at).min(bytes.len());
        let part = |from, to| bytes.get(inside(from)..inside(to)).unwrap_or(&[]);
        self.file.write(part(0, self.field.start));
        self.file.write(part(self.field.end, self.set_aside.start));
        if let Some(aside) = &mut self.aside {
            aside.write(part(self.set_aside.start, self.set_aside.end));
        }
        self.file.write(part(self.set_aside.end, usize::MAX));
        self.at += bytes.len();
    }

    /// The checksums of what has been added.
    pub fn finish(&self) -> Sums {
        Sums {
            file: self.file.finish(),
            aside: self.aside.as_ref().map(RawHasher::finish),
        }
    }
}

/// The checksum of what is aside.
pub(super) fn sum_of(bytes: &[u8]) -> u64 {
    let mut hash = hasher();
    hash.write(bytes);
    hash.finish()
}

fn hasher() -> RawHasher<Secret> {
    // The hasher that `new` makes of its own accord allocates.
    RawHasher::new(SecretBuffer::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Span = Span {
        offset: 0,
        length: 0,
    };

    #[test]
    fn pieces_make_the_same_sums_as_the_whole() {
        let file: Vec<u8> = (0..3000u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let asides = [(0, 0), (0, 30), (800, 1000), (2990, 10), (1500, u32::MAX)];
        for (start, (offset, length)) in [0, 1, 700, 2976, 2990]
            .into_iter()
            .flat_map(|start| asides.map(|aside| (start, aside)))
        {
            let aside = Span { offset, length };
            let sums = |file: &[u8], piece: usize| {
                let mut sum = Summer::of_image(start, aside);
                file.chunks(piece).for_each(|bytes| sum.add(bytes));
                sum.finish()
            };
            let whole = sums(&file, 3000);
            for piece in [1, 5, 8, 256, 1000, 2999] {
                assert_eq!(sums(&file, piece), whole, "{start} {aside:?} {piece}");
            }
            let mut other = file.clone();
            let field = other.iter_mut().skip(start + 16).take(8);
            field.for_each(|byte| *byte ^= 0xff);
            assert_eq!(sums(&other, 3000), whole);
            other[start] ^= 1;
            assert_ne!(sums(&other, 3000).file, whole.file);
        }
    }

    #[test]
    fn every_byte_is_in_one_sum() {
        let file = vec![7; 500];
        let aside = Span {
            offset: 300,
            length: 100,
        };
        let sums = |file: &[u8]| {
            let mut sum = Summer::of_image(100, aside);
            sum.add(file);
            sum.finish()
        };
        let whole = sums(&file);
        assert_eq!(whole.aside, Some(sum_of(&file[300..400])));
        let mut some = Summer::of_image(100, aside).without_aside();
        some.add(&file);
        assert_eq!(
            (some.finish().file, some.finish().aside),
            (whole.file, None)
        );
        for at in 0..500 {
            let mut other = file.clone();
            other[at] ^= 1;
            let found = sums(&other);
            let own = (116..124).contains(&at);
            let is_aside = (300..400).contains(&at);
            assert_eq!(found.file != whole.file, !own && !is_aside, "{at}");
            assert_eq!(found.aside != whole.aside, is_aside, "{at}");
        }
        assert_eq!(
            Summer::of_image(0, NOTHING).finish().aside,
            Some(sum_of(&[]))
        );
    }
}
