//! Stores that an optimiser may think nobody sees: overwritten ones, ones before a trap, around calls and atomic operators, in mixed
//! widths. Generated sequences on a few bytes of memory, against a model of them.

use crate::support::i32;
use crate::ways::{Random, every_way_linked, read, write};
use lucet::abi::{LUCET_TRAPPED, lucet_call};
use lucet::call;
use lucet::instance::memory;
use lucet::linker::{Definition, Linker};
use std::fmt::Write;

/// Where all of it happens.
const WINDOW: usize = 64;
const BYTES: usize = 48;
const SEQUENCES: usize = 120;
const STEPS: usize = 40;

/// What a sequence does in a step.
enum Step {
    /// Stores a constant of so many bytes.
    Store {
        at: usize,
        bytes: usize,
        value: u128,
    },
    /// Stores what is there already.
    Again { at: usize },
    /// Loads a word and stores it elsewhere.
    Copy { from: usize, to: usize },
    /// Adds to a word, atomically.
    Atomic { at: usize, value: u32 },
    /// Fills a range.
    Fill { at: usize, bytes: usize, value: u8 },
    /// Stores a number, and if the argument is this one, traps.
    Trap { at: usize, value: u32, when: i32 },
    /// Calls the host, which stores what it sees elsewhere.
    Call { from: usize, to: usize },
    /// Calls a function of the guest that stores.
    Inner { at: usize, value: u32 },
}

fn sequence(seed: u64) -> Vec<Step> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed + 1) << 17);
    let word = |random: &mut Random| random.below((BYTES - 16) as u64) as usize;
    // Few places, so that most stores meet others.
    let place = |random: &mut Random| [0, 1, 4, 8, 12, 16][random.below(6) as usize];
    (0..STEPS)
        .map(|step| match random.below(16) {
            0..=5 => {
                let bytes = [1, 2, 4, 8, 16, 4][random.below(6) as usize];
                let value = u128::from(random.next()) << 64 | u128::from(random.next());
                Step::Store {
                    at: place(&mut random),
                    bytes,
                    value: if random.below(4) == 0 { 0 } else { value },
                }
            }
            6 | 7 => Step::Again {
                at: place(&mut random),
            },
            8 | 9 => Step::Copy {
                from: place(&mut random),
                to: word(&mut random),
            },
            10 => Step::Atomic {
                at: 4 * random.below(5) as usize,
                value: random.next() as u32,
            },
            11 => Step::Fill {
                at: place(&mut random),
                bytes: random.below(17) as usize,
                value: random.next() as u8,
            },
            12 | 13 => Step::Trap {
                at: place(&mut random),
                value: random.next() as u32,
                when: step as i32,
            },
            14 => Step::Call {
                from: place(&mut random),
                to: place(&mut random),
            },
            _ => Step::Inner {
                at: place(&mut random),
                value: random.next() as u32,
            },
        })
        .collect()
}

fn text_of(step: &Step, text: &mut String) {
    let place = |at: usize| WINDOW + at;
    let _ = match step {
        Step::Store { at, bytes, value } => {
            let at = place(*at);
            let (low, high) = (*value as u64, (*value >> 64) as u64);
            match bytes {
                1 => write!(
                    text,
                    "(i32.store8 (i32.const {at}) (i32.const {}))",
                    *value as u8
                ),
                2 => write!(
                    text,
                    "(i64.store16 (i32.const {at}) (i64.const {}))",
                    *value as u16
                ),
                4 => write!(
                    text,
                    "(i32.store (i32.const {at}) (i32.const {}))",
                    *value as u32
                ),
                8 => write!(text, "(i64.store (i32.const {at}) (i64.const {low}))"),
                _ => write!(
                    text,
                    "(v128.store (i32.const {at}) (v128.const i64x2 {low} {high}))"
                ),
            }
        }
        Step::Again { at } => {
            let at = place(*at);
            write!(
                text,
                "(i32.store (i32.const {at}) (i32.load (i32.const {at})))"
            )
        }
        Step::Copy { from, to } => write!(
            text,
            "(i64.store32 (i32.const {}) (i64.load32_s (i32.const {})))",
            place(*to),
            place(*from)
        ),
        Step::Atomic { at, value } => write!(
            text,
            "(drop (i32.atomic.rmw.add (i32.const {}) (i32.const {value})))",
            place(*at)
        ),
        Step::Fill { at, bytes, value } => {
            write!(
                text,
                "(memory.fill (i32.const {}) (i32.const {value}) (i32.const {bytes}))",
                place(*at)
            )
        }
        Step::Trap { at, value, when } => {
            // Division is what traps without a branch of its own.
            write!(
                text,
                "(i32.store (i32.const {0}) (i32.const {value})) (i32.store (i32.const {0}) (i32.div_u (i32.const {value}) (i32.sub (local.get 0) (i32.const {when}))))",
                place(*at)
            )
        }
        Step::Call { from, to } => write!(
            text,
            "(call $host (i32.const {}) (i32.const {}))",
            place(*from),
            place(*to)
        ),
        Step::Inner { at, value } => write!(
            text,
            "(call $inner (i32.const {}) (i32.const {value}))",
            place(*at)
        ),
    };
}

/// What memory holds afterwards, and whether it has trapped.
fn model(steps: &[Step], argument: i32) -> ([u8; BYTES], bool) {
    let mut memory: [u8; BYTES] = std::array::from_fn(|byte| byte as u8 ^ 0x5a);
    let word = |memory: &[u8; BYTES], at: usize| {
        u32::from_le_bytes(memory[at..at + 4].try_into().expect("four"))
    };
    for step in steps {
        let mut put = |at: usize, bytes: &[u8]| memory[at..at + bytes.len()].copy_from_slice(bytes);
        match step {
            Step::Store { at, bytes, value } => put(*at, &value.to_le_bytes()[..*bytes]),
            Step::Again { .. } => {}
            Step::Copy { from, to } => {
                let value = word(&memory, *from);
                memory[*to..*to + 4].copy_from_slice(&value.to_le_bytes());
            }
            Step::Atomic { at, value } => {
                let value = word(&memory, *at).wrapping_add(*value);
                memory[*at..*at + 4].copy_from_slice(&value.to_le_bytes());
            }
            Step::Fill { at, bytes, value } => memory[*at..*at + *bytes].fill(*value),
            Step::Trap { at, value, when } => {
                put(*at, &value.to_le_bytes());
                let divisor = argument.wrapping_sub(*when).cast_unsigned();
                let Some(quotient) = value.checked_div(divisor) else {
                    return (memory, true);
                };
                memory[*at..*at + 4].copy_from_slice(&quotient.to_le_bytes());
            }
            Step::Call { from, to } => {
                let seen = word(&memory, *from) ^ 0x1357_9bdf;
                memory[*to..*to + 4].copy_from_slice(&seen.to_le_bytes());
            }
            Step::Inner { at, value } => put(*at, &value.to_le_bytes()),
        }
    }
    (memory, false)
}

unsafe extern "C" fn host(call: *mut lucet_call, from: u32, to: u32) {
    let handle = call::instance(call).expect("a call");
    let seen = memory::view(handle, 0, u64::from(from), 4).expect("in memory");
    let place = memory::view_mut(handle, 0, u64::from(to), 4).expect("in memory");
    // SAFETY: both are four bytes of the guest's memory, and the guest has called out.
    unsafe {
        let word = seen.cast::<u32>().read_unaligned();
        place.cast::<u32>().write_unaligned(word ^ 0x1357_9bdf);
    }
}

/// The series of dead and idempotent store elimination in Cranelift, 2026-07-23 to 2026-08-19.
#[test]
fn advisory_19_stores_are_seen_by_whoever_can_see_them() {
    let sequences: Vec<Vec<Step>> = (0..SEQUENCES as u64).map(sequence).collect();
    let mut text = String::from(
        r#"(module (import "env" "host" (func $host (param i32 i32))) (memory (export "memory") 1)
        (func $inner (param i32 i32) (i32.store (local.get 0) (local.get 1)))"#,
    );
    for (number, steps) in sequences.iter().enumerate() {
        let _ = write!(text, "(func (export \"{number}\") (param i32)");
        steps.iter().for_each(|step| text_of(step, &mut text));
        text.push(')');
    }
    text.push(')');
    let mut linker = Linker::new().expect("a linker");
    let definition = Definition::Typed {
        function: host as *const (),
        types: 0x110,
        leaf: false,
        data: std::ptr::null_mut(),
    };
    linker.define(b"env", b"host", definition).expect("new");
    every_way_linked(&text, &linker, |guest, way| {
        for (number, steps) in sequences.iter().enumerate() {
            // Once to the end, and to each trap.
            let traps = steps.iter().filter_map(|step| match step {
                Step::Trap { when, .. } => Some(*when),
                _ => None,
            });
            for argument in traps.chain([-7]) {
                write::<BYTES>(guest, WINDOW, std::array::from_fn(|byte| byte as u8 ^ 0x5a));
                let outcome = guest.run(&number.to_string(), &[i32(argument)]);
                let (wanted, traps) = model(steps, argument);
                let trapped = outcome.kind == LUCET_TRAPPED;
                assert_eq!(
                    (read(guest, WINDOW), trapped),
                    (wanted, traps),
                    "sequence {number} with {argument}, {way}"
                );
                if trapped {
                    lucet::instance::keep(guest.handle).expect("it has trapped");
                }
            }
        }
    });
}
