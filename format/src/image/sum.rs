//! The checksum of a module's file: XXH3-64 over every byte but the checksum's own. For whoever has the whole file, and for whoever
//! reads it piece by piece.

use super::{ImageError, elf, writer::CHECKSUM_OFFSET};
use std::hash::Hasher;
use std::ops::Range;
use twox_hash::xxhash3_64::{RawHasher, SecretBuffer};

/// The secret that every XXH3-64 without one of its own has.
type Secret = &'static [u8; 192];

/// A checksum in the making.
pub struct Summer {
    hash: RawHasher<Secret>,
    /// Where the checksum itself is.
    field: Range<usize>,
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
        Ok(Summer::of_image(image.start))
    }

    /// For a file whose image starts there.
    pub(super) fn of_image(start: usize) -> Summer {
        let field = start.saturating_add(CHECKSUM_OFFSET);
        Summer {
            // The hasher that `new` makes of its own accord allocates.
            hash: RawHasher::new(SecretBuffer::default()),
            field: field..field.saturating_add(size_of::<u64>()),
            at: 0,
        }
    }

    /// Adds the bytes that follow.
    pub fn add(&mut self, bytes: &[u8]) {
        let inside = |place: usize| place.saturating_sub(self.at).min(bytes.len());
        let (before, after) = (inside(self.field.start), inside(self.field.end));
        self.hash.write(bytes.get(..before).unwrap_or(&[]));
        self.hash.write(bytes.get(after..).unwrap_or(&[]));
        self.at += bytes.len();
    }

    /// The checksum of what has been added.
    pub fn finish(&self) -> u64 {
        self.hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_same_sum_as_the_whole() {
        let file: Vec<u8> = (0..3000u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for start in [0, 1, 700, 2976, 2990] {
            let mut whole = Summer::of_image(start);
            whole.add(&file);
            for piece in [1, 5, 8, 256, 1000, 2999] {
                let mut sum = Summer::of_image(start);
                file.chunks(piece).for_each(|bytes| sum.add(bytes));
                assert_eq!(sum.finish(), whole.finish(), "{start} {piece}");
            }
            let mut other = file.clone();
            let field = other.iter_mut().skip(start + 16).take(8);
            field.for_each(|byte| *byte ^= 0xff);
            let mut sum = Summer::of_image(start);
            sum.add(&other);
            assert_eq!(sum.finish(), whole.finish());
            other[start] ^= 1;
            let mut sum = Summer::of_image(start);
            sum.add(&other);
            assert_ne!(sum.finish(), whole.finish());
        }
    }
}
