//! Where instructions come from: the source map, in much fewer bytes than a list of positions would have.
//!
//! ```text
//!   SourceBlocks, ascending                SourceMap: the steps of one block behind the other's
//!   +------+------+---------+-------+      +------+----------+---------------+--------------------+
//!   | text | wasm | inlined | first |  ->  | kind | distance | more of it,   | difference of the  |
//!   |      |      |         |       |      | 2    | 6 bits   | where it is 63| position, but none |
//!   +------+------+---------+-------+      +------+----------+---------------+--------------------+
//! ```
//!
//! A position is an offset in the wasm file below [`IN_PLACE`]; or [`NONE`]; or [`IN_PLACE`] and the number of an
//! [`super::records::InlinedPosition`]. It holds from its place in text to the next one's. A step has the distance of its place from the one
//! before, and how its position differs from the latest of its kind; a block says from what its first steps count. Numbers that do not fit
//! into a few bits are in LEB128, differences doubled, with the sign in the lowest bit.
//!
//! Looking up is fit for signal handlers, and finds nothing worse than a wrong position in a map that is out of order.

use super::records::IN_PLACE;
use super::{Image, ImageError, ImageWriter, NONE, Section};
use crate::record;

record! {
    /// A part of the source map. It ends where the next one begins.
    pub struct SourceBlock {
        /// Text offset of its first step.
        pub text: u32,
        /// What its first offset in the wasm file differs from.
        pub wasm: u32,
        /// What its first number of an inlined position differs from.
        pub inlined: u32,
        /// Its first byte in [`Section::SourceMap`].
        pub first: u32,
    }
}

/// So many steps has a block at most: all of them may have to be read to find one.
const STEPS: usize = 64;
/// Bits of a step's first byte that hold its kind.
const KIND_BITS: u32 = 2;
/// From this distance on, the rest follows.
const FAR: u32 = 63;

const WASM: u8 = 0;
const INLINED: u8 = 1;
const NOWHERE: u8 = 2;

/// Makes a source map: positions are added in the order of the text, and the last of them want [`SourceMapWriter::finish`].
#[derive(Clone, Debug, Default)]
pub struct SourceMapWriter {
    /// Text and position of the block to be written.
    open: Vec<(u32, u32)>,
}

fn parts(position: u32) -> (u8, u32) {
    match position {
        NONE => (NOWHERE, 0),
        _ if position & IN_PLACE != 0 => (INLINED, position & !IN_PLACE),
        _ => (WASM, position),
    }
}

impl SourceMapWriter {
    /// Adds the position of the instructions from a text offset on, which is larger than the last one's.
    pub fn add(&mut self, writer: &mut ImageWriter, text: u32, position: u32) {
        if self.open.len() == STEPS {
            self.finish(writer);
        }
        self.open.push((text, position));
    }

    /// Writes what has been added.
    pub fn finish(&mut self, writer: &mut ImageWriter) {
        let Some((text, _)) = self.open.first().copied() else {
            return;
        };
        let first = |wanted: u8| {
            let mut all = self.open.iter().map(|(_, position)| parts(*position));
            all.find(|(kind, _)| *kind == wanted)
                .map_or(0, |(_, number)| number)
        };
        let (wasm, inlined) = (first(WASM), first(INLINED));
        let mut bytes = Vec::new();
        let (mut at, mut latest) = (text, [wasm, inlined]);
        for (text, position) in self.open.drain(..) {
            let (kind, number) = parts(position);
            let distance = text - at;
            at = text;
            bytes.push(kind | (distance.min(FAR) as u8) << KIND_BITS);
            if distance >= FAR {
                put(&mut bytes, distance - FAR);
            }
            if let Some(latest) = latest.get_mut(usize::from(kind)) {
                // Both are below 2^31, so that the doubled difference fits.
                let difference = number.wrapping_sub(*latest).cast_signed();
                put(
                    &mut bytes,
                    (difference << 1 ^ difference >> 31).cast_unsigned(),
                );
                *latest = number;
            }
        }
        let mut places = bytes
            .iter()
            .map(|byte| writer.push(Section::SourceMap, byte));
        let first = places.next().unwrap_or(0);
        places.for_each(drop);
        let block = SourceBlock {
            text,
            wasm,
            inlined,
            first,
        };
        writer.push(Section::SourceBlocks, &block);
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads the steps of a block.
struct Steps<'a> {
    bytes: &'a [u8],
    text: u32,
    latest: [u32; 2],
}

impl Steps<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl Iterator for Steps<'_> {
    /// Text offset and position.
    type Item = (u32, u32);

    /// `None`: there are no more, or what follows is no step.
    fn next(&mut self) -> Option<(u32, u32)> {
        let first = self.byte()?;
        let mut distance = u32::from(first >> KIND_BITS);
        if distance == FAR {
            distance = self.number()?.checked_add(FAR)?;
        }
        self.text = self.text.checked_add(distance)?;
        let kind = first & ((1 << KIND_BITS) - 1);
        if kind == NOWHERE {
            return Some((self.text, NONE));
        }
        let doubled = self.number()?;
        let difference = doubled >> 1 ^ (doubled & 1).wrapping_neg();
        let latest = self.latest.get_mut(usize::from(kind))?;
        *latest = latest.wrapping_add(difference);
        let number = *latest;
        let mark = if kind == INLINED { IN_PLACE } else { 0 };
        (number < IN_PLACE && number | mark != NONE).then_some((self.text, number | mark))
    }
}

impl<'a> Image<'a> {
    /// The steps of a block.
    fn steps(&self, index: usize, block: &SourceBlock) -> Steps<'a> {
        let all = self.section(Section::SourceMap);
        let next = self.source_blocks().get(index + 1);
        let end = next.map_or(all.len(), |next| next.first as usize);
        Steps {
            bytes: all.get(block.first as usize..end).unwrap_or(&[]),
            text: block.text,
            latest: [block.wasm, block.inlined],
        }
    }

    /// Where the instruction at a text offset comes from: see the file's header.
    pub(super) fn position_at(&self, text: u32) -> u32 {
        let blocks = self.source_blocks();
        let next = blocks.partition_point(|block| block.text <= text);
        let found = next.checked_sub(1);
        let found = found.and_then(|index| Some((index, blocks.get(index)?)));
        let Some((index, block)) = found else {
            return NONE;
        };
        let before = self
            .steps(index, &block)
            .take(STEPS)
            .take_while(|(at, _)| *at <= text);
        before.last().map_or(NONE, |(_, position)| position)
    }
}

/// That blocks and steps ascend, and positions are what they can be.
pub(super) fn check(image: &Image<'_>) -> Result<(), ImageError> {
    let refuse = |index, field, found: u32| {
        Err(ImageError::Record {
            section: Section::SourceBlocks,
            index,
            field,
            found: u64::from(found),
        })
    };
    let known = image.inlined().len();
    let blocks = image.source_blocks();
    let starts = blocks
        .get(0)
        .map_or(image.section(Section::SourceMap).len(), |block| {
            block.first as usize
        });
    if starts != 0 {
        return refuse(0, "the first step", starts as u32);
    }
    let mut free_from = 0;
    for (index, block) in blocks.iter().enumerate() {
        if u64::from(block.text) < free_from {
            return refuse(index, "the order", block.text);
        }
        free_from = u64::from(block.text);
        let mut steps = image.steps(index, &block);
        let mut count = 0;
        for (text, position) in steps.by_ref() {
            let unknown = position != NONE
                && position & IN_PLACE != 0
                && (position & !IN_PLACE) as usize >= known;
            // The first is where the block begins, the others are behind the one before.
            let in_order = u64::from(text) >= free_from && (count > 0 || text == block.text);
            if unknown || !in_order {
                return refuse(index, "the order or a position of its steps", block.first);
            }
            free_from = u64::from(text) + 1;
            count += 1;
        }
        if !(1..=STEPS).contains(&count) || !steps.bytes.is_empty() {
            return refuse(index, "the steps", block.first);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageIndex;
    use crate::image::records::Header;

    /// Writes a map, with so many inlined positions, and hands it out with what it is to hold.
    fn with_map(positions: &[(u32, u32)], inlined: usize, look: impl Fn(&Image<'_>)) {
        let mut writer = ImageWriter::default();
        let mut sources = SourceMapWriter::default();
        for (text, position) in positions {
            sources.add(&mut writer, *text, *position);
        }
        sources.finish(&mut writer);
        for _ in 0..inlined {
            writer.push(
                Section::Inlined,
                &crate::image::records::InlinedPosition::default(),
            );
        }
        let layout = writer.layout(0);
        let file = writer.finish(&layout, &Header::default());
        let index = ImageIndex::of_sections(Section::ALL.map(|section| layout.section(section)));
        look(&index.view(&file));
    }

    fn holds(positions: &[(u32, u32)], inlined: usize) {
        with_map(positions, inlined, |image| {
            assert_eq!(check(image), Ok(()));
            let ends = positions
                .iter()
                .skip(1)
                .map(|(text, _)| *text)
                .chain([u32::MAX]);
            for ((text, position), end) in positions.iter().zip(ends) {
                for at in [*text, text + (end - text) / 2, end - 1] {
                    assert_eq!(image.position_at(at), *position, "{at} of {positions:?}");
                }
            }
            let first = positions.first().map_or(u32::MAX, |(text, _)| *text);
            if first > 0 {
                assert_eq!(image.position_at(first - 1), NONE);
            }
        });
    }

    #[test]
    fn maps_hold_what_was_written() {
        holds(&[], 0);
        holds(&[(0, NONE)], 0);
        holds(&[(16, 7)], 0);
        holds(&[(0, IN_PLACE - 1), (1, 0), (2, IN_PLACE - 1)], 0);
        holds(&[(u32::MAX - 2, 5)], 0);
        // At the limits of what fits into the first byte, and into the bytes that follow.
        for distance in [1, 62, 63, 64, 63 + 127, 63 + 128, 1 << 20, 1 << 30] {
            holds(&[(0, 5), (distance, 6), (2 * distance, NONE)], 0);
        }
        for distance in [0, 1, 63, 64, 65, 8191, 8192, 8193, 1 << 20, 1 << 30] {
            holds(&[(0, 100), (1, 100 + distance), (2, 100)], 0);
            holds(&[(0, 100 + distance), (1, 100), (2, NONE)], 0);
        }
        for distance in [0, 1, 63, 64, 65, 8191, 8192] {
            let place = |number| IN_PLACE | number;
            holds(
                &[
                    (0, place(3)),
                    (1, place(3 + distance)),
                    (2, 9),
                    (3, place(3)),
                ],
                4 + distance as usize,
            );
        }
        for count in [STEPS - 1, STEPS, STEPS + 1, 2 * STEPS, 20_000] {
            let mut text = 0;
            let many: Vec<(u32, u32)> = (0u32..count as u32)
                .map(|number| {
                    text += 1 + number * 7919 % 90;
                    let position = match number % 5 {
                        0 => NONE,
                        1 => IN_PLACE | (number * 31 % 1000),
                        _ => number.wrapping_mul(2_654_435_761) % 5_000_000,
                    };
                    (text, position)
                })
                .collect();
            holds(&many, 1000);
        }
    }

    #[test]
    fn numbers_that_are_not_there_are_refused() {
        let map = [(0, IN_PLACE | 7), (5, 1), (9, IN_PLACE | 4)];
        with_map(&map, 8, |image| assert_eq!(check(image), Ok(())));
        for inlined in [0, 4, 5, 7] {
            with_map(&map, inlined, |image| assert!(check(image).is_err()));
        }
    }

    /// A map of one block with these bytes.
    fn with_bytes(bytes: &[u8], look: impl Fn(&Image<'_>)) {
        let mut writer = ImageWriter::default();
        for byte in bytes {
            writer.push(Section::SourceMap, byte);
        }
        let block = SourceBlock {
            text: 10,
            wasm: 100,
            inlined: 0,
            first: 0,
        };
        writer.push(Section::SourceBlocks, &block);
        let layout = writer.layout(0);
        let file = writer.finish(&layout, &Header::default());
        let index = ImageIndex::of_sections(Section::ALL.map(|section| layout.section(section)));
        look(&index.view(&file));
    }

    #[test]
    fn steps_that_are_none_are_refused_and_do_no_harm() {
        with_bytes(&[0, 0, 1 << 2, 2], |image| {
            assert_eq!(check(image), Ok(()));
            assert_eq!(
                [9, 10, 11].map(|at| image.position_at(at)),
                [NONE, 100, 101]
            );
        });
        let refused: [&[u8]; 10] = [
            &[],
            &[0],
            &[3, 0],
            &[1 << 2, 0],
            &[0, 0, 0, 0],
            &[0, 0x80],
            &[0, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[1, 0],
            &[0, 0, 63 << 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
        ];
        for bytes in refused {
            with_bytes(bytes, |image| {
                assert!(check(image).is_err(), "{bytes:?}");
                for at in [0, 9, 10, 11, 1 << 31, u32::MAX] {
                    image.position_at(at);
                }
            });
        }
        with_bytes(&[0; 2 * (STEPS + 1)], |image| {
            assert!(check(image).is_err())
        });
    }
}
