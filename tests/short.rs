//! Short copies and fills, which guest code does in place, against what the specification says: every length about the limits of a class,
//! known to the compiler or not, at the beginning and at the end of memory, beyond it, and over themselves. What traps has written nothing.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucet::instance;
use lucet::linker::Linker;
use lucet_format::WASM_PAGE_SIZE;
use lucet_format::trap::TrapCode;
use lucetc::options::{OptLevel, Options};
use std::fmt::Write;
use support::{Guest, compiled, i32, small};

/// Lengths up to somewhat more than what is done in place.
const LENGTHS: u32 = 131;
const END: u32 = WASM_PAGE_SIZE as u32;

/// Exports `copy` and `fill`, and for each length `copyN` and `fillN` with the length as a constant.
fn guest(opt_level: OptLevel) -> Guest {
    let mut text = String::from(
        "(module (memory 1)
           (func $pattern (local $i i32)
             (loop $more
               (i32.store (local.get $i) (i32.mul (i32.add (local.get $i) (i32.const 77)) (i32.const 0x9e3779b1)))
               (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 65536)))))
           (start $pattern)",
    );
    for operation in ["copy", "fill"] {
        let mut add = |name: &str, length: &str| {
            write!(
                text,
                "(func (export \"{operation}{name}\") (param $to i32) (param $other i32) (param $length i32)
                   (memory.{operation} (local.get $to) (local.get $other) {length}))"
            )
            .expect("a string has room");
        };
        add("", "(local.get $length)");
        for length in 0..LENGTHS {
            add(&length.to_string(), &format!("(i32.const {length})"));
        }
    }
    text.push(')');
    let options = Options {
        opt_level,
        verify: true,
        ..Options::default()
    };
    let linker = Linker::new().expect("a linker");
    Guest::made_of(compiled(&text, &options, &linker), &small())
}

/// What the start function leaves in memory, before each first entry.
fn pattern() -> Vec<u8> {
    let word = |at: u32| (at + 77).wrapping_mul(0x9e37_79b1).to_le_bytes();
    (0..END).step_by(4).flat_map(word).collect()
}

/// The memory of a guest that does not run.
fn memory(guest: &Guest) -> &[u8] {
    let page = instance::memory::view(guest.handle, 0, 0, WASM_PAGE_SIZE).expect("a page");
    // SAFETY: the page has just been checked, and the guest does not run while the slice is used.
    unsafe { std::slice::from_raw_parts(page, WASM_PAGE_SIZE as usize) }
}

/// Runs an operation both ways and compares how it ends and what is in memory then.
fn check(guest: &Guest, operation: &str, [to, other, length]: [u32; 3], expected: Option<&[u8]>) {
    let before = pattern();
    for name in [operation.to_owned(), format!("{operation}{length}")] {
        let outcome = guest.run(
            &name,
            &[to, other, length].map(|number| i32(number.cast_signed())),
        );
        let what = format!("{name} {to:#x} {other:#x} {length}");
        let end = match expected {
            Some(_) => (LUCET_RETURNED, 0),
            None => (LUCET_TRAPPED, TrapCode::Memory as u32),
        };
        assert_eq!((outcome.kind, outcome.detail), end, "{what}");
        assert!(memory(guest) == expected.unwrap_or(&before), "{what}");
        guest.reset();
    }
}

fn copies(guest: &Guest) {
    let before = pattern();
    for length in 0..LENGTHS {
        let (last, half) = (END - length, length / 2);
        let mut places = vec![
            (0, 1000),
            (1000, 1000),
            (1000, 1001),
            (1001, 1000),
            (1000 + half, 1000),
            (1000, 1000 + half),
            (last, 5),
            (5, last),
            (last, last - 1),
            (last + 1, 5),
            (5, last + 1),
            (last + 1, last + 1),
            (END, 5),
            (5, END),
            (0x8000_0000, 5),
            (5, 0x8000_0000 - half),
            (u32::MAX, 5),
            (5, u32::MAX),
        ];
        places.push((length.wrapping_neg(), half.wrapping_neg()));
        for (to, from) in places {
            let range = |start: u32| {
                let end = start.checked_add(length).filter(|end| *end <= END)?;
                Some(start as usize..end as usize)
            };
            let after = range(to).zip(range(from)).map(|(to, from)| {
                let mut after = before.clone();
                after.copy_within(from, to.start);
                after
            });
            check(guest, "copy", [to, from, length], after.as_deref());
        }
    }
}

fn fills(guest: &Guest) {
    let before = pattern();
    for length in 0..LENGTHS {
        let last = END - length;
        let wrapping = length.wrapping_neg();
        for to in [
            0,
            999,
            last,
            last + 1,
            END,
            0x7fff_fff0,
            0x8000_0000,
            wrapping,
            u32::MAX,
        ] {
            let end = to.checked_add(length).filter(|end| *end <= END);
            let after = end.map(|end| {
                let mut after = before.clone();
                after[to as usize..end as usize].fill(0x5a);
                after
            });
            check(guest, "fill", [to, 0xffff_ff5a, length], after.as_deref());
        }
    }
}

#[test]
fn optimised() {
    let guest = guest(OptLevel::Speed);
    copies(&guest);
    fills(&guest);
}

#[test]
fn as_translated() {
    let guest = guest(OptLevel::None);
    copies(&guest);
    fills(&guest);
}
