//! What a call must do, said in another way than the library says it: over sets of byte addresses as 128-bit ranges, and text
//! decoded code point by code point.

use super::described::{Access, Function, Parameter};

/// What a host and its guest have.
#[derive(Debug, PartialEq, Eq)]
pub struct World {
    /// The guest's memory.
    pub memory: Vec<u8>,
    /// Each handle that the guest has, with its object.
    pub handles: Vec<(u32, u64)>,
    /// Numbers that are no handles of the kind that functions take: one that was given up, one of another kind.
    pub dead: Vec<u32>,
}

/// What the C function is given, word by word, with addresses of the guest's for pointers; `None`: it must not be called.
pub fn expected(function: &Function, arguments: &[u32], world: &World) -> Option<Vec<u64>> {
    let memory = &world.memory;
    let mut words = Vec::new();
    let mut ranges: Vec<(std::ops::Range<u128>, bool)> = Vec::new();
    let mut rest = arguments.iter().copied();
    for parameter in function.parameters {
        let first = rest.next().expect("an argument");
        match *parameter {
            Parameter::Word => words.push(u64::from(first)),
            Parameter::Most(most) => {
                (first <= most).then_some(())?;
                words.push(u64::from(first));
            }
            Parameter::Bits(bits) => {
                let (low, high) = (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1);
                (low..=high)
                    .contains(&i64::from(first as i32))
                    .then_some(())?;
                words.push(u64::from(first));
            }
            Parameter::Char => {
                let surrogate = (0xd800..0xe000).contains(&first);
                (first < 0x11_0000 && !surrogate).then_some(())?;
                words.push(u64::from(first));
            }
            Parameter::Flags(mask) => {
                (0..32)
                    .all(|bit| first >> bit & 1 <= mask >> bit & 1)
                    .then_some(())?;
                words.push(u64::from(first));
            }
            Parameter::OneOf(list) => {
                list.contains(&first).then_some(())?;
                words.push(u64::from(first));
            }
            Parameter::Handle => {
                let mut known = world.handles.iter();
                words.push(known.find(|(handle, _)| *handle == first)?.1);
            }
            Parameter::Slice {
                element,
                align,
                most,
                text,
                access,
                ..
            } => {
                let count = rest.next().expect("an argument");
                (most == 0 || count <= most).then_some(())?;
                let range = range(
                    first,
                    u128::from(count) * u128::from(element),
                    align,
                    memory,
                )?;
                if text {
                    is_text(&memory[range.start as usize..range.end as usize]).then_some(())?;
                }
                ranges.push((range, access != Access::In));
                words.extend([u64::from(first), u64::from(count)]);
            }
            Parameter::Object {
                size,
                align,
                access,
            } => {
                ranges.push((
                    range(first, u128::from(size), align, memory)?,
                    access != Access::In,
                ));
                words.push(u64::from(first));
            }
        }
    }
    for (index, (one, written)) in ranges.iter().enumerate() {
        for (other, also) in &ranges[index + 1..] {
            let shared = one.start.max(other.start)..one.end.min(other.end);
            (shared.is_empty() || !(*written || *also)).then_some(())?;
        }
    }
    Some(words)
}

fn range(address: u32, bytes: u128, align: u32, memory: &[u8]) -> Option<std::ops::Range<u128>> {
    let start = u128::from(address);
    let inside = start + bytes <= memory.len() as u128;
    (inside && address.is_multiple_of(align)).then_some(start..start + bytes)
}

/// Decodes by the table of the Unicode standard (table 3-7).
fn is_text(mut bytes: &[u8]) -> bool {
    /// The first byte's range, and those of the bytes that follow.
    type Form = (u8, u8, &'static [(u8, u8)]);
    const FORMS: [Form; 9] = [
        (0x00, 0x7f, &[]),
        (0xc2, 0xdf, &[(0x80, 0xbf)]),
        (0xe0, 0xe0, &[(0xa0, 0xbf), (0x80, 0xbf)]),
        (0xe1, 0xec, &[(0x80, 0xbf), (0x80, 0xbf)]),
        (0xed, 0xed, &[(0x80, 0x9f), (0x80, 0xbf)]),
        (0xee, 0xef, &[(0x80, 0xbf), (0x80, 0xbf)]),
        (0xf0, 0xf0, &[(0x90, 0xbf), (0x80, 0xbf), (0x80, 0xbf)]),
        (0xf1, 0xf3, &[(0x80, 0xbf), (0x80, 0xbf), (0x80, 0xbf)]),
        (0xf4, 0xf4, &[(0x80, 0x8f), (0x80, 0xbf), (0x80, 0xbf)]),
    ];
    while let Some((&first, rest)) = bytes.split_first() {
        let form = FORMS
            .iter()
            .find(|(low, high, _)| (*low..=*high).contains(&first));
        let Some((_, _, follow)) = form else {
            return false;
        };
        let good = follow.len() <= rest.len()
            && follow
                .iter()
                .zip(rest)
                .all(|((low, high), byte)| (*low..=*high).contains(byte));
        if !good {
            return false;
        }
        bytes = &rest[follow.len()..];
    }
    true
}
