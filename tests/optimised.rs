//! Optimised code does what unoptimised code does, above all where indices wrap around, leave memory, or count towards the ends
//! of their range. Each function is compiled both ways and called with every pair of arguments that are near a limit; results, traps and what
//! is left in memory must agree.

mod support;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucetc::options::OptLevel;
use support::{Guest, i32};

/// Arguments: around zero, the end of the first page, what is exact to fold, half and all of the range.
const NEAR_LIMITS: [u32; 22] = [
    0,
    1,
    3,
    4,
    7,
    8,
    9,
    16,
    100,
    0xfff8,
    0xfffc,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xfbff_fff0,
    0xfc00_0000,
    0xffff_0000,
    0xffff_fff8,
    0xffff_fffc,
    0xffff_ffff,
];

/// Bodies of functions of type (i32 $x, i32 $y) -> i32, with a local $i of type i32, in a module whose memory has one page.
const BODIES: [(&str, &str); 20] = [
    (
        "a load behind a load of less",
        "(i32.add (i32.load (local.get $x)) (i32.load (i32.add (local.get $x) (i32.const 4))))",
    ),
    (
        "a load behind a load of more",
        "(i32.add (i32.load offset=8 (local.get $x)) (i32.load (i32.sub (local.get $x) (i32.const 4))))",
    ),
    (
        "stores behind a store at a sum",
        "(i32.store (i32.add (local.get $x) (i32.const 16)) (i32.const 1))
         (i32.store (i32.add (local.get $x) (i32.const 20)) (i32.const 2))
         (i32.store8 (i32.add (local.get $x) (i32.const 12)) (i32.const 3))
         (i32.load (i32.add (local.get $x) (i32.const 17)))",
    ),
    (
        "a load behind a load on one way only",
        "(if (i32.and (local.get $y) (i32.const 1)) (then (drop (i32.load (local.get $x)))))
         (i32.load (i32.add (local.get $x) (i32.const 4)))",
    ),
    (
        "a far load behind a load",
        "(if (i32.eqz (local.get $y)) (then (return (i32.load8_u (local.get $x)))))
         (drop (i32.load8_u (local.get $x)))
         (i32.load8_u offset=1 (i32.add (local.get $x) (i32.const 0x3ffffff)))",
    ),
    (
        "a load that a branch leads to",
        "(if (result i32) (i32.lt_u (local.get $x) (i32.const 1000))
           (then (i32.load (i32.add (local.get $x) (i32.const 64))))
           (else (i32.load (i32.add (local.get $x) (i32.const -64)))))",
    ),
    (
        "a load that a signed branch leads to",
        "(if (result i32) (i32.lt_s (local.get $x) (i32.const 1000))
           (then (i32.load8_u (i32.add (local.get $x) (i32.const 64))))
           (else (i32.load8_u offset=3 (i32.add (local.get $x) (i32.const 0x7fffffff)))))",
    ),
    (
        "masked and scaled indices",
        "(i32.store (i32.add (i32.shl (i32.and (local.get $x) (i32.const 0xfff)) (i32.const 3)) (i32.const 1024)) (local.get $y))
         (i32.load (i32.add (i32.shl (i32.and (local.get $y) (i32.const 0xffff)) (i32.const 2)) (i32.const 4)))",
    ),
    (
        "scaled indices that wrap around",
        "(i32.load8_u (i32.shl (local.get $x) (i32.const 3)))",
    ),
    (
        "a loop that counts up to a constant",
        "(loop $more
           (i32.store8 (i32.add (local.get $i) (i32.const 200)) (local.get $x))
           (i32.store8 offset=5 (i32.add (local.get $i) (local.get $y)) (local.get $i))
           (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 3))) (i32.const 99))))
         (i32.load (i32.const 212))",
    ),
    (
        "a loop that counts up to zero",
        "(local.set $i (i32.const -64))
         (loop $more
           (i32.store8 (i32.add (local.get $i) (i32.const 64)) (local.get $x))
           (i32.store8 (i32.add (local.get $i) (i32.const 66)) (local.get $i))
           (br_if $more (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
         (i32.load (i32.const 62))",
    ),
    (
        "a loop that counts down",
        "(local.set $i (i32.const 80))
         (loop $more
           (i32.store16 (i32.add (local.get $i) (i32.const 8)) (local.get $i))
           (br_if $more (i32.ge_s (local.tee $i (i32.sub (local.get $i) (i32.const 2))) (i32.const 0))))
         (i32.load (i32.const 10))",
    ),
    (
        "a loop whose bound is an argument",
        "(local.set $y (i32.and (local.get $y) (i32.const 0xff)))
         (block $out (loop $more
           (br_if $out (i32.ge_u (local.get $i) (local.get $y)))
           (i32.store8 (i32.add (local.get $x) (local.get $i)) (local.get $i))
           (i32.store8 (i32.add (i32.add (local.get $x) (local.get $i)) (i32.const 300)) (local.get $i))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br $more)))
         (i32.load8_u (i32.const 5))",
    ),
    (
        "loops in a loop",
        "(local $row i32) (local $sum i32)
         (loop $rows
           (local.set $i (i32.const 0))
           (loop $columns
             (i32.store (i32.add (i32.add (local.get $row) (local.get $i)) (i32.const 2048)) (i32.add (local.get $x) (local.get $i)))
             (local.set $sum (i32.add (local.get $sum) (i32.load (i32.add (i32.add (local.get $row) (local.get $i)) (i32.const 2044)))))
             (br_if $columns (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 40))))
           (br_if $rows (i32.ne (local.tee $row (i32.add (local.get $row) (i32.const 40))) (i32.const 400))))
         (local.get $sum)",
    ),
    (
        "a walk along pointers",
        "(local.set $y (i32.add (local.get $x) (i32.const 32)))
         (loop $more
           (i32.store (local.get $x) (i32.const 7))
           (i32.store (i32.add (local.get $x) (i32.const 4)) (local.get $x))
           (br_if $more (i32.ne (local.tee $x (i32.add (local.get $x) (i32.const 8))) (local.get $y))))
         (local.get $x)",
    ),
    (
        "chained loads",
        "(i32.store (i32.const 40) (local.get $y))
         (local.set $i (i32.load (i32.and (local.get $x) (i32.const 0xfc))))
         (i32.add (i32.load (local.get $i)) (i32.add (local.get $i) (i32.load8_u (i32.add (local.get $i) (i32.const 5)))))",
    ),
    (
        "locals that loops leave alone",
        "(local $outer i32) (local $kept i32)
         (local.set $kept (i32.rotl (local.get $x) (i32.const 3)))
         (loop $again
           (local.set $i (i32.const 0))
           (loop $more
             (i32.store8 (i32.and (i32.add (local.get $kept) (local.get $i)) (i32.const 0xffff)) (local.get $kept))
             (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5))))
           (if (i32.eq (local.get $outer) (i32.and (local.get $y) (i32.const 3)))
             (then (local.set $kept (i32.add (local.get $kept) (local.get $outer)))))
           (br_if $again (i32.lt_u (local.tee $outer (i32.add (local.get $outer) (i32.const 1))) (i32.const 4))))
         (local.get $kept)",
    ),
    (
        "an index with 32 bits elsewhere",
        "(local.set $i (i32.load offset=4 (i32.and (local.get $x) (i32.const 0xff0))))
         (i32.store (local.get $y) (local.get $i))
         (i32.add (i32.load (local.get $y)) (i32.wrap_i64 (i64.shr_u (i64.extend_i32_u (i32.sub (local.get $i) (local.get $y))) (i64.const 4))))",
    ),
    (
        "a switch that changes an index",
        "(local.set $i (local.get $x))
         (block $done (block $two (block $one (block $zero
           (br_table $zero $one $two $done (i32.and (local.get $y) (i32.const 3))))
           (local.set $i (i32.add (local.get $i) (i32.const 4))) (br $done))
           (local.set $i (i32.load (i32.and (local.get $i) (i32.const 0xff)))) (br $done))
           (local.set $i (i32.rotl (local.get $i) (i32.const 1))))
         (i32.add (i32.load8_u (local.get $i)) (i32.load8_u offset=2 (local.get $i)))",
    ),
    (
        "the end of a memory that has grown",
        "(drop (memory.grow (i32.const 1)))
         (drop (i32.load (local.get $x)))
         (i32.load8_u (i32.add (local.get $x) (i32.const 3)))",
    ),
];

fn guest(opt_level: OptLevel) -> Guest {
    let mut text = String::from(
        r#"(module (memory 1) (data (i32.const 0) "0123456789abcdefghijklmnopqrstuvwxyz")"#,
    );
    for (index, (_, body)) in BODIES.iter().enumerate() {
        // Locals that a body declares come before its instructions.
        text.push_str(&format!(
            r#"(func (export "{index}") (param $x i32) (param $y i32) (result i32) (local $i i32) {body})"#
        ));
    }
    text.push(')');
    Guest::at_level(&text, opt_level)
}

#[test]
fn levels_agree() {
    let (plain, optimised) = (guest(OptLevel::None), guest(OptLevel::Speed));
    for (index, (what, _)) in BODIES.iter().enumerate() {
        let (mut returned, mut trapped) = (0, 0);
        for x in NEAR_LIMITS {
            for y in NEAR_LIMITS {
                let name = index.to_string();
                let arguments = [x, y].map(|number| i32(number.cast_signed()));
                let expected = plain.left_by(&name, &arguments);
                let found = optimised.left_by(&name, &arguments);
                assert!(
                    expected == found,
                    "{what}, of {x:#x} and {y:#x}: {:?}",
                    (found.0, found.2)
                );
                returned += u32::from(expected.0 == LUCET_RETURNED);
                trapped += u32::from(expected.0 == LUCET_TRAPPED);
            }
        }
        assert_eq!(
            returned + trapped,
            (NEAR_LIMITS.len() * NEAR_LIMITS.len()) as u32,
            "{what}"
        );
        assert!(returned > 0, "{what}: never returned");
    }
}
