//! Where instructions come from: the source map, half as large as a list of positions would be.
//!
//! ```text
//!   SourceBlocks, ascending                SourceMap, ascending within a block
//!   +------+------+---------+-------+      +----------------------+-----------+------------------+
//!   | text | wasm | inlined | first |  ->  | text, from the       | in place? | position, from   |
//!   |      |      |         |       |      | block's: 12 bits     | 1 bit     | the block's: 19  |
//!   +------+------+---------+-------+      +----------------------+-----------+------------------+
//! ```
//!
//! A position is an offset in the wasm file below [`IN_PLACE`]; or [`NONE`]; or [`IN_PLACE`] and the number of an
//! [`super::records::InlinedPosition`]. It holds from its place in text to the next one's. A block ends where something does not fit, and the
//! next begins; its bases are the smallest numbers in it.
//!
//! Looking up is fit for signal handlers, and finds nothing worse than a wrong position in a map that is out of order.

use super::records::IN_PLACE;
use super::{Image, ImageError, ImageWriter, NONE, Section};
use crate::bytes::Records;
use crate::record;

record! {
    /// A part of the source map. It ends where the next one begins.
    pub struct SourceBlock {
        /// Text offset of its first step.
        pub text: u32,
        /// What its offsets in the wasm file count from.
        pub wasm: u32,
        /// What its numbers of inlined positions count from.
        pub inlined: u32,
        /// Its first step in [`Section::SourceMap`].
        pub first: u32,
    }
}

/// Bits of a step's position.
const POSITION_BITS: u32 = 20;
/// The position of a step that comes from nowhere.
const NOWHERE: u32 = (1 << POSITION_BITS) - 1;
/// Marks a position as the number of an inlined one.
const MARK: u32 = 1 << (POSITION_BITS - 1);
/// So many bytes of text has a block at most.
const MOST_TEXT: u32 = 1 << (u32::BITS - POSITION_BITS);
/// Offsets in the wasm file count from no more than this, so that none is taken for another kind of position.
const MOST_WASM: u32 = IN_PLACE - MARK;

fn text_of(step: u32) -> u32 {
    step >> POSITION_BITS
}

fn is_marked(position: u32) -> bool {
    position != NONE && position & IN_PLACE != 0
}

/// Makes a source map: positions are added in the order of the text, and the last of them want [`SourceMapWriter::finish`].
#[derive(Clone, Debug, Default)]
pub struct SourceMapWriter {
    /// Text and position of the block to be written.
    open: Vec<(u32, u32)>,
    wasm: Bases,
    inlined: Bases,
    steps: u32,
}

/// The least and the largest of some numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Bases(Option<(u32, u32)>);

impl Bases {
    fn with(self, number: u32) -> Bases {
        let (least, largest) = self.0.unwrap_or((number, number));
        Bases(Some((least.min(number), largest.max(number))))
    }

    fn fit(self, numbers: u32) -> bool {
        self.0
            .is_none_or(|(least, largest)| largest - least < numbers)
    }

    fn base(self) -> u32 {
        self.0.map_or(0, |(least, _)| least)
    }
}

impl SourceMapWriter {
    /// Adds the position of the instructions from a text offset on, which is larger than the last one's.
    pub fn add(&mut self, writer: &mut ImageWriter, text: u32, position: u32) {
        let (mut wasm, mut inlined) = self.with(position);
        let near = self
            .open
            .first()
            .is_none_or(|(first, _)| text - first < MOST_TEXT);
        if !(near && wasm.fit(MARK) && inlined.fit(MARK - 1)) {
            self.finish(writer);
            (wasm, inlined) = self.with(position);
        }
        (self.wasm, self.inlined) = (wasm, inlined);
        self.open.push((text, position));
    }

    fn with(&self, position: u32) -> (Bases, Bases) {
        if position == NONE {
            (self.wasm, self.inlined)
        } else if is_marked(position) {
            (self.wasm, self.inlined.with(position & !IN_PLACE))
        } else {
            (self.wasm.with(position), self.inlined)
        }
    }

    /// Writes what has been added.
    pub fn finish(&mut self, writer: &mut ImageWriter) {
        let Some((text, _)) = self.open.first().copied() else {
            return;
        };
        // A base may be anything that is not above the numbers. No wasm file is nearly as long as the most.
        let block = SourceBlock {
            text,
            wasm: self.wasm.base().min(MOST_WASM),
            inlined: self.inlined.base(),
            first: self.steps,
        };
        writer.push(Section::SourceBlocks, &block);
        for (at, position) in self.open.drain(..) {
            let position = if position == NONE {
                NOWHERE
            } else if is_marked(position) {
                MARK | ((position & !IN_PLACE) - block.inlined)
            } else {
                (position - block.wasm).min(MARK - 1)
            };
            writer.push(
                Section::SourceMap,
                &((at - text) << POSITION_BITS | position),
            );
            self.steps += 1;
        }
        (self.wasm, self.inlined) = Default::default();
    }
}

impl<'a> Image<'a> {
    /// The steps of a block, and the text offset at which they end.
    fn steps(&self, index: usize, block: &SourceBlock) -> (&'a [u8], u32) {
        let steps = self.section(Section::SourceMap);
        let next = self.source_blocks().get(index + 1);
        let end = next.map_or(steps.len(), |next| (next.first as usize).saturating_mul(4));
        let start = (block.first as usize).saturating_mul(4);
        let text = next.map_or(u32::MAX, |next| next.text);
        (steps.get(start..end).unwrap_or(&[]), text)
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
        let steps = Records::<u32>::new(self.steps(index, &block).0);
        let distance = text - block.text;
        let next = steps.partition_point(|step| text_of(*step) <= distance);
        let step = next.checked_sub(1).and_then(|before| steps.get(before));
        match step.map_or(NOWHERE, |step| step & NOWHERE) {
            NOWHERE => NONE,
            number if number & MARK != 0 => {
                let inlined = block.inlined.saturating_add(number & !MARK);
                IN_PLACE | inlined.min(!IN_PLACE - 1)
            }
            offset => block.wasm.saturating_add(offset).min(IN_PLACE - 1),
        }
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
    let count = image.section(Section::SourceMap).len() / 4;
    let mut free_from = 0;
    for (index, block) in image.source_blocks().iter().enumerate() {
        if u64::from(block.text) < free_from {
            return refuse(index, "the order", block.text);
        }
        if block.wasm > MOST_WASM {
            return refuse(index, "the offset in the wasm file", block.wasm);
        }
        let (steps, end) = image.steps(index, &block);
        let (steps, _) = steps.as_chunks::<4>();
        let Some(last) = steps.last() else {
            return refuse(index, "the steps", block.first);
        };
        if index == 0 && block.first != 0 {
            return refuse(index, "the steps", block.first);
        }
        let left = known.saturating_sub(block.inlined as usize);
        if !are_sound(steps, left.min(MARK as usize - 1) as u32) {
            return refuse(index, "the order or a position of its steps", block.first);
        }
        free_from = u64::from(block.text) + u64::from(text_of(u32::from_le_bytes(*last))) + 1;
        if free_from > u64::from(end) {
            return refuse(index, "the end", block.text);
        }
    }
    if image.source_blocks().is_empty() && count != 0 {
        return refuse(0, "the number of blocks", 0);
    }
    Ok(())
}

/// Whether steps ascend from the block's start, and those in place have one of the first `known` numbers, at the most `MARK - 1`. This is the
/// longest list of most files: nothing branches on what is read, so that compilers make several comparisons at a time.
fn are_sound(steps: &[[u8; 4]], known: u32) -> bool {
    let number = |step: &[u8; 4]| u32::from_le_bytes(*step);
    // The highest bits of these differences are set where something is wrong. Nowhere counts as 0 here, the others one more.
    let misplaced = |step: u32| (MARK + known).wrapping_sub(step.wrapping_add(1) & NOWHERE);
    let falls = |one: u32, next: u32| text_of(next).wrapping_sub(text_of(one)).wrapping_sub(1);
    let (Some(first), Some(last)) = (steps.first().map(number), steps.last().map(number)) else {
        return true;
    };
    let next = steps.get(1..).unwrap_or(&[]);
    let pairs = steps.iter().zip(next);
    let signs = pairs.fold(misplaced(last), |signs, (one, next)| {
        signs | misplaced(number(one)) | falls(number(one), number(next))
    });
    signs & 1 << 31 == 0 && text_of(first) == 0
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
        holds(&[(0, MOST_WASM + MARK - 1)], 0);
        holds(
            &[
                (0, 5),
                (MOST_TEXT - 1, 6),
                (MOST_TEXT, 7),
                (3 * MOST_TEXT, NONE),
            ],
            0,
        );
        // At the limits of a step's position, upwards and downwards.
        for distance in [MARK - 2, MARK - 1, MARK, MARK + 1] {
            holds(&[(0, 100), (1, 100 + distance), (2, 100)], 0);
            holds(&[(0, 100 + distance), (1, 100), (2, NONE)], 0);
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
        let mut text = 0;
        let many: Vec<(u32, u32)> = (0u32..20_000)
            .map(|number| {
                text += 1 + number * 7919 % 40;
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

    #[test]
    fn numbers_that_are_not_there_are_refused() {
        let map = [(0, IN_PLACE | 7), (5, 1), (9, IN_PLACE | 4)];
        with_map(&map, 8, |image| assert_eq!(check(image), Ok(())));
        for inlined in [0, 4, 5, 7] {
            with_map(&map, inlined, |image| assert!(check(image).is_err()));
        }
    }

    #[test]
    fn steps_ascend() {
        let step = |text: u32, position: u32| (text << POSITION_BITS | position).to_le_bytes();
        for length in 1..40u32 {
            let sound: Vec<[u8; 4]> = (0..length)
                .map(|index| step(index * 3, [index, NOWHERE, MARK | 2][index as usize % 3]))
                .collect();
            assert!(are_sound(&sound, 3));
            for index in 0..length as usize {
                let mut wrong = sound.clone();
                wrong[index] = step(index as u32 * 3, MARK | 3);
                assert!(!are_sound(&wrong, 3));
                assert!(are_sound(&wrong, 4));
                wrong[index] = step(index as u32 * 3 + if index == 0 { 1 } else { 3 }, 0);
                assert_eq!(are_sound(&wrong, 3), index > 0 && index + 1 == wrong.len());
            }
        }
    }
}
