//! Arguments to try: random ones that are good often enough, and those at boundaries.

use crate::described::Parameter;
use crate::oracle::World;
use crate::setting::PAGE;
use crate::support::i64;
use lucet::abi::lucet_value;

/// xorshift64*
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.next() as usize % list.len()]
    }

    pub fn word(&mut self, parameter: &Parameter, second: bool, world: &World) -> u32 {
        let near = self.next() % 40;
        match (parameter, second) {
            (Parameter::Slice { element, .. }, true) => {
                let whole = (1u64 << 32) / u64::from(*element);
                let fits = PAGE / element;
                let edges = [
                    0,
                    1,
                    fits - 1,
                    fits,
                    fits + 1,
                    whole as u32,
                    (whole as u32).wrapping_sub(1),
                    u32::MAX,
                ];
                match self.next() % 4 {
                    0 => self.of(&edges),
                    1 => self.of(&BOUNDARIES),
                    _ => near,
                }
            }
            (Parameter::Slice { .. } | Parameter::Object { .. }, _) => match self.next() % 6 {
                0 => self.of(&BOUNDARIES),
                1 => PAGE.wrapping_sub(near).wrapping_add(self.next() % 3),
                2 => self.next() % 64,
                3 => self.next() % 64 * 16,
                4 => self.next() % 520 * 128,
                _ => self.next() % (PAGE + 20),
            },
            (Parameter::OneOf(list), _) => match self.next() % 4 {
                0 => self.of(&BOUNDARIES),
                1 => self.of(list).wrapping_add(1),
                _ => self.of(list),
            },
            (Parameter::Handle, _) => {
                let (known, _) = self.of(&world.handles);
                match self.next() % 8 {
                    0 => self.of(&BOUNDARIES),
                    1 => known ^ 1 << (self.next() % 32),
                    2 => self.of(&world.dead),
                    _ => known,
                }
            }
            _ => match self.next() % 4 {
                0 => self.of(&BOUNDARIES),
                1 => near,
                2 => near.wrapping_neg(),
                _ => self.of(&[
                    0xd7ff, 0xd800, 0xdfff, 0xe000, 0x10_ffff, 0x11_0000, 255, 256, 1000, 1001,
                    32767, 32768,
                ]),
            },
        }
    }
}

pub const BOUNDARIES: [u32; 14] = [
    0,
    1,
    2,
    7,
    8,
    PAGE - 8,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    u32::MAX - 1,
    u32::MAX,
];

/// Words with something else in their high halves: what is in those of an address and its count adds up to nothing, so that whoever
/// forgets to clear them finds the end of a range where it should be, and its start elsewhere.
pub fn wide(words: &[u32]) -> Vec<lucet_value> {
    let above = [0x5bd1_e995, 0x5bd1_e995_u32.wrapping_neg()];
    let halves = words.iter().zip(above.iter().cycle());
    halves
        .map(|(word, above)| i64((u64::from(*above) << 32 | u64::from(*word)).cast_signed()))
        .collect()
}
