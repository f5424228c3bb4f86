//! Products of 64 by 64 bits that guests make of smaller ones, in the ways that are recognised and in ways that are nearly the same, are
//! what arithmetic says, whether they are recognised or not.

mod support;

use lucet::abi::LUCET_RETURNED;
use lucetc::options::OptLevel;
use support::{Guest, i64};

/// Around the ends of halves and of the range, and numbers with nothing special about them.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_fffe_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0x9e37_79b9_7f4a_7c15,
    0x0123_4567_89ab_cdef,
];

/// The halves of `$a` and `$b`, and the four products of them.
const PARTS: &str = "(local.set $al (i64.and (local.get $a) (i64.const 0xffffffff)))
    (local.set $ah (i64.shr_u (local.get $a) (i64.const 32)))
    (local.set $bl (i64.extend_i32_u (i32.wrap_i64 (local.get $b))))
    (local.set $bh (i64.shr_u (local.get $b) (i64.const 32)))
    (local.set $p (i64.mul (local.get $al) (local.get $bl)))
    (local.set $c (i64.mul (local.get $ah) (local.get $bl)))
    (local.set $d (i64.mul (local.get $bh) (local.get $al)))
    (local.set $t (i64.add (local.get $c) (i64.shr_u (local.get $p) (i64.const 32))))";
const TOP: &str = "(i64.mul (local.get $ah) (local.get $bh))";

fn low(value: &str) -> String {
    format!("(i64.and {value} (i64.const 0xffffffff))")
}

fn high(value: &str) -> String {
    format!("(i64.shr_u {value} (i64.const 32))")
}

fn sum(terms: &[&str]) -> String {
    let add = |sum: String, term: &&str| format!("(i64.add {sum} {term})");
    terms[1..].iter().fold(terms[0].to_owned(), add)
}

type Answer = fn(u64, u64) -> u64;

fn upper(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// Ends of functions, and what they answer.
fn ends() -> Vec<(&'static str, String, Answer)> {
    let [p, c, d, t] = ["$p", "$c", "$d", "$t"].map(|local| format!("(local.get {local})"));
    let (from_lower, two) = (high(&p), sum(&[&low(&t), &d]));
    let one = sum(&[&from_lower, &low(&c), &d]);
    let three = sum(&[&low(&d), &from_lower, &low(&c)]);
    let whole = sum(&[&c, &from_lower, &d]);
    let further = "(i64.mul (local.get $a) (i64.const 3))";
    vec![
        ("two carries", sum(&[TOP, &high(&t), &high(&two)]), upper),
        (
            "two carries and more",
            sum(&[further, &high(&t), TOP, &high(&two)]),
            |a, b| upper(a, b).wrapping_add(a.wrapping_mul(3)),
        ),
        ("one sum", sum(&[&high(&one), TOP, &high(&c)]), upper),
        (
            "three terms",
            sum(&[&high(&d), TOP, &high(&c), &high(&three)]),
            upper,
        ),
        (
            "lower half",
            format!("(i64.or (i64.shl {two} (i64.const 32)) {})", low(&p)),
            u64::wrapping_mul,
        ),
        (
            "lower half by a sum",
            sum(&[&low(&p), &format!("(i64.shl {whole} (i64.const 32))")]),
            u64::wrapping_mul,
        ),
        // The sum of two whole products wraps around: this is no upper half.
        (
            "a sum that wraps around",
            sum(&[TOP, &high(&whole)]),
            |a, b| {
                let [al, ah, bl, bh] = [a & 0xffff_ffff, a >> 32, b & 0xffff_ffff, b >> 32];
                let whole = (ah * bl)
                    .wrapping_add((al * bl) >> 32)
                    .wrapping_add(al * bh);
                (ah * bh).wrapping_add(whole >> 32)
            },
        ),
        ("no carry", sum(&[TOP, &high(&two)]), |a, b| {
            let [al, ah, bl] = [a & 0xffff_ffff, a >> 32, b & 0xffff_ffff];
            let carried = (ah * bl + ((al * bl) >> 32)) >> 32;
            upper(a, b).wrapping_sub(carried)
        }),
    ]
}

/// Exports each end by its number, each also for squares, and `product`, which calls a product of 128 bits twice.
fn guest(opt_level: OptLevel) -> Guest {
    let locals = "(local $al i64) (local $ah i64) (local $bl i64) (local $bh i64) (local $p i64) (local $c i64) (local $d i64) (local $t i64)";
    let mut text = String::from("(module (memory 1)");
    for (index, (_, end, _)) in ends().iter().enumerate() {
        text.push_str(&format!(
            r#"(func (export "{index}") (param $a i64) (param $b i64) (result i64) {locals} {PARTS} {end})
               (func (export "square{index}") (param $a i64) (result i64) {locals} (local $b i64)
                 (local.set $b (local.get $a)) {PARTS} {end})"#
        ));
    }
    text.push_str(MULTI3);
    text.push(')');
    Guest::at_level(&text, opt_level)
}

/// Stores a product of 128 bits, in the order that LLVM compiles it to, and adds up halves of two such products.
const MULTI3: &str = r#"
    (func $multi3 (param $to i32) (param $al i64) (param $ah i64) (param $bl i64) (param $bh i64) (local $p i64)
      (i64.store offset=8 (local.get $to) (i64.add (i64.add (i64.add (i64.add (i64.mul (local.get $bh) (local.get $al)) (i64.mul (local.get $ah) (local.get $bl)))
        (i64.mul (local.tee $bh (i64.shr_u (local.get $bl) (i64.const 32))) (local.tee $ah (i64.shr_u (local.get $al) (i64.const 32)))))
        (i64.shr_u (local.tee $bl (i64.add (i64.shr_u (local.tee $p (i64.mul (local.tee $bl (i64.and (local.get $bl) (i64.const 0xffffffff)))
          (local.tee $al (i64.and (local.get $al) (i64.const 0xffffffff))))) (i64.const 32)) (i64.mul (local.get $bl) (local.get $ah)))) (i64.const 32)))
        (i64.shr_u (local.tee $bl (i64.add (i64.and (local.get $bl) (i64.const 0xffffffff)) (i64.mul (local.get $bh) (local.get $al)))) (i64.const 32))))
      (i64.store (local.get $to) (i64.or (i64.shl (local.get $bl) (i64.const 32)) (i64.and (local.get $p) (i64.const 0xffffffff)))))
    (func (export "product") (param $a i64) (param $b i64) (result i64)
      (call $multi3 (i32.const 16) (local.get $a) (i64.const 0) (local.get $b) (i64.const 0))
      (call $multi3 (i32.const 32) (local.get $b) (local.get $a) (local.get $a) (local.get $b))
      (i64.xor (i64.xor (i64.load (i32.const 16)) (i64.rotl (i64.load (i32.const 24)) (i64.const 1)))
        (i64.xor (i64.rotl (i64.load (i32.const 32)) (i64.const 2)) (i64.rotl (i64.load (i32.const 40)) (i64.const 3)))))"#;

fn product(a: u64, b: u64) -> u64 {
    let [x, y] = [u128::from(a), u128::from(b)];
    let (narrow, wide) = (x * y, (y | x << 64).wrapping_mul(x | y << 64));
    let [low, high] = [
        |value: u128| value as u64,
        |value: u128| (value >> 64) as u64,
    ];
    low(narrow) ^ high(narrow).rotate_left(1) ^ low(wide).rotate_left(2) ^ high(wide).rotate_left(3)
}

fn answer(guest: &Guest, name: &str, arguments: &[u64]) -> u64 {
    let arguments: Vec<_> = arguments
        .iter()
        .map(|number| i64(number.cast_signed()))
        .collect();
    let (kind, _, result, _) = guest.left_by(name, &arguments);
    assert_eq!(kind, LUCET_RETURNED, "{name}");
    result.expect("a result") as u64
}

#[test]
fn products_are_what_arithmetic_says() {
    for guest in [guest(OptLevel::None), guest(OptLevel::Speed)] {
        for a in NUMBERS {
            for (index, (what, _, expected)) in ends().iter().enumerate() {
                for b in NUMBERS {
                    let found = answer(&guest, &index.to_string(), &[a, b]);
                    assert_eq!(found, expected(a, b), "{what} of {a:#x} and {b:#x}");
                }
                let found = answer(&guest, &format!("square{index}"), &[a]);
                assert_eq!(found, expected(a, a), "{what} of the square of {a:#x}");
            }
            for b in NUMBERS {
                let found = answer(&guest, "product", &[a, b]);
                assert_eq!(found, product(a, b), "128 bits of {a:#x} and {b:#x}");
            }
        }
    }
}
