//! Whether long lists are sound. Nothing here branches on what is read, so that compilers make several comparisons at a time; what is wrong
//! with a list that is not, `check` finds out.
//!
//! Numbers and limits are below 2^31, as offsets in a file are: then the highest bit of a difference says which of two is larger. A number
//! that is not has that bit itself.

use super::NONE;
use super::records::{CodeRange, Funcref, Function};
use crate::bytes::Record;
use crate::trap::TrapCode;

const SIGN: u32 = 1 << 31;

fn number(bytes: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*bytes)
}

/// The numbers that a record consists of.
fn numbers<const BYTES: usize, const COUNT: usize>(record: &[u8; BYTES]) -> [u32; COUNT] {
    let (fields, _) = record.as_chunks::<4>();
    std::array::from_fn(|index| fields.get(index).map_or(0, number))
}

/// The highest bit is set where a number is not below a limit.
fn not_below(found: u32, limit: u32) -> u32 {
    found | limit.wrapping_sub(1).wrapping_sub(found)
}

/// The highest bit is set where a number is above a limit.
fn above(found: u32, limit: u32) -> u32 {
    found | limit.wrapping_sub(found)
}

/// All bits, but none where a number is [`NONE`].
fn unless_none(found: u32) -> u32 {
    u32::from(found == NONE).wrapping_sub(1)
}

/// Whether numbers ascend, and are below `limit`.
pub(super) fn ascend(all: &[[u8; 4]], limit: u32) -> bool {
    let Some(last) = all.last().map(number) else {
        return true;
    };
    let pairs = all.iter().zip(all.get(1..).unwrap_or(&[]));
    // The highest bit is set where a number is too large, or the difference of two is not positive.
    let signs = pairs.fold(last, |signs, (one, next)| {
        let (one, next) = (number(one), number(next));
        signs | one | next.wrapping_sub(one).wrapping_sub(1)
    });
    signs & SIGN == 0 && last < limit
}

/// Whether these are the numbers of traps, which are 1 and those that follow.
pub(super) fn are_traps(codes: &[u8]) -> bool {
    let most = codes
        .iter()
        .fold(0, |most: u8, code| most.max(code.wrapping_sub(1)));
    codes.is_empty() || usize::from(most) < TrapCode::ALL.len()
}

const _: () = assert!(Function::SIZE == 28 && Funcref::SIZE == 8 && CodeRange::SIZE == 16);

/// Whether these are functions of so many types, with code in a text of so many bytes and so many references.
pub(super) fn are_functions(records: &[[u8; 28]], types: u32, text: u32, funcrefs: u32) -> bool {
    let signs = records.iter().fold(0, |signs, record| {
        let [function_type, code, code_bytes, _, _, _, funcref] = numbers(record);
        let no_code = not_below(code, text)
            | above(code_bytes, text)
            | above(code.wrapping_add(code_bytes), text);
        signs
            | not_below(function_type, types)
            | no_code & unless_none(code)
            | not_below(funcref, funcrefs) & unless_none(funcref)
    });
    signs & SIGN == 0
}

/// Whether these are references, but for the first one, to functions of so many types with code in a text of so many bytes.
pub(super) fn are_funcrefs(records: &[[u8; 8]], types: u32, text: u32) -> bool {
    let others = records.get(1..).unwrap_or(&[]);
    let signs = others.iter().fold(0, |signs, record| {
        let [code, function_type] = numbers(record);
        // The type may be NONE, which is 0 here.
        signs | not_below(code, text) | above(function_type.wrapping_add(1), types)
    });
    signs & SIGN == 0
}

/// Whether these are numbers of so many references, and no globals.
pub(super) fn are_items(items: &[[u8; 8]], funcrefs: u32) -> bool {
    let signs = items.iter().fold(0, |signs, item| {
        let [low, high] = numbers(item);
        signs | not_below(low, funcrefs) | high.wrapping_neg() | high
    });
    signs & SIGN == 0
}

/// Whether these are ranges that ascend in a text of so many bytes, of the kinds below `kinds`.
pub(super) fn are_ranges(records: &[[u8; 16]], kinds: u32, text: u32) -> bool {
    let mut free_from = 0u32;
    let signs = records.iter().fold(0, |signs, record| {
        let [start, length, kind, _] = numbers(record);
        let gap = start.wrapping_sub(free_from);
        free_from = start.wrapping_add(length);
        signs | start | gap | length | above(free_from, text) | not_below(kind, kinds)
    });
    signs & SIGN == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend() {
        let ascend = |numbers: &[u32], limit| {
            let bytes: Vec<[u8; 4]> = numbers.iter().map(|number| number.to_le_bytes()).collect();
            super::ascend(&bytes, limit)
        };
        assert!(ascend(&[], 0));
        assert!(ascend(&[0, 1, 99], 100) && !ascend(&[0, 1, 99], 99));
        for length in 2..40 {
            let sound: Vec<u32> = (0..length).map(|index| index * 7).collect();
            assert!(ascend(&sound, 7 * length - 6) && !ascend(&sound, 7 * length - 7));
            for index in 1..length as usize {
                let mut wrong = sound.clone();
                wrong[index] = sound[index - 1];
                assert!(!ascend(&wrong, u32::MAX >> 1));
                wrong[index] = 0;
                assert!(!ascend(&wrong, u32::MAX >> 1));
                for large in [1 << 31, u32::MAX] {
                    wrong[index] = large;
                    assert!(!ascend(&wrong, u32::MAX >> 1));
                }
            }
        }
    }

    #[test]
    fn traps_have_numbers() {
        for number in 0..=u8::MAX {
            let known = TrapCode::from_number(u32::from(number)).is_some();
            assert_eq!(are_traps(&[number]), known, "{number}");
            assert_eq!(are_traps(&[1, 2, number, 1]), known, "{number}");
        }
        assert!(are_traps(&[]));
    }

    fn bytes<const BYTES: usize>(records: &[Vec<u32>]) -> Vec<[u8; BYTES]> {
        let flat = records.iter().map(|record| {
            let all: Vec<u8> = record
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            <[u8; BYTES]>::try_from(all).expect("a record's size")
        });
        flat.collect()
    }

    /// That a list is sound as it is, whatever is `allowed` in one place, and not with any of what is `refused`: by the field.
    fn one_wrong<const BYTES: usize>(
        record: &[u32],
        are_sound: impl Fn(&[[u8; BYTES]]) -> bool,
        allowed: &[(usize, u32)],
        refused: &[(usize, u32)],
    ) {
        assert!(are_sound(&[]));
        for place in 1..9 {
            let with = |(field, found): (usize, u32)| {
                let mut records = vec![record.to_vec(); 9];
                records[place][field] = found;
                bytes(&records)
            };
            assert!(are_sound(&with((0, record[0]))));
            for change in allowed {
                assert!(are_sound(&with(*change)), "{change:?}");
            }
            for change in refused {
                assert!(!are_sound(&with(*change)), "{change:?}");
            }
        }
    }

    const LARGE: u32 = u32::MAX >> 1;

    #[test]
    fn functions_refer_to_what_there_is() {
        let sound = |records: &[[u8; 28]]| are_functions(records, 3, 100, 5);
        one_wrong(
            &[1, 50, 50, 0, 0, 77, 4],
            sound,
            &[
                (0, 2),
                (1, 0),
                (1, NONE),
                (2, 0),
                (3, NONE),
                (4, NONE),
                (5, NONE),
                (6, NONE),
                (6, 0),
            ],
            &[
                (0, 3),
                (0, LARGE),
                (0, SIGN),
                (0, NONE),
                (1, 51),
                (1, 100),
                (1, LARGE),
                (1, SIGN),
                (2, 51),
                (2, LARGE),
                (2, SIGN),
                (2, NONE),
                (6, 5),
                (6, LARGE),
                (6, SIGN),
            ],
        );
        one_wrong(
            &[1, NONE, SIGN | 1, 0, 0, 0, NONE],
            sound,
            &[(2, 0)],
            &[(0, 3)],
        );
        // An end of the text has no code, not even none.
        one_wrong(&[1, 99, 1, 0, 0, 0, NONE], sound, &[(2, 0)], &[(1, 100)]);
        assert!(!are_functions(
            &bytes(&[vec![0, NONE, 0, 0, 0, 0, NONE]]),
            0,
            100,
            5
        ));
        assert!(!are_functions(
            &bytes(&[vec![0, NONE, 0, 0, 0, 0, 0]]),
            1,
            100,
            0
        ));
    }

    #[test]
    fn references_refer_to_what_there_is() {
        one_wrong(
            &[99, 2],
            |records: &[[u8; 8]]| are_funcrefs(records, 3, 100),
            &[(0, 0), (1, 0), (1, NONE)],
            &[
                (0, 100),
                (0, LARGE),
                (0, SIGN),
                (0, NONE),
                (1, 3),
                (1, LARGE),
                (1, SIGN),
                (1, NONE - 1),
            ],
        );
        one_wrong(
            &[6, 0],
            |records: &[[u8; 8]]| are_items(records, 7),
            &[(0, 0)],
            &[
                (0, 7),
                (0, LARGE),
                (0, SIGN),
                (0, NONE),
                (1, 1),
                (1, SIGN),
                (1, NONE),
            ],
        );
    }

    #[test]
    fn ranges_ascend() {
        let range = |index: u32| vec![index * 10, 10, index % 7, NONE];
        let sound: Vec<_> = (0..20).map(range).collect();
        assert!(are_ranges(&bytes(&sound), 7, 200) && !are_ranges(&bytes(&sound), 7, 199));
        assert!(!are_ranges(&bytes(&sound), 6, 200));
        for index in 0..20 {
            for (field, found) in [
                (0, SIGN),
                (0, NONE),
                (0, LARGE),
                (1, 11),
                (1, LARGE),
                (1, SIGN),
                (1, NONE),
                (2, 7),
                (2, SIGN),
            ] {
                let mut wrong = sound.clone();
                wrong[index][field] = found;
                assert!(!are_ranges(&bytes(&wrong), 7, 200), "{field} {found:#x}");
            }
            let mut shorter = sound.clone();
            shorter[index][1] = 0;
            assert!(are_ranges(&bytes(&shorter), 7, 200));
            if index > 0 {
                shorter[index][0] -= 1;
                assert!(!are_ranges(&bytes(&shorter), 7, 200));
            }
        }
    }
}
