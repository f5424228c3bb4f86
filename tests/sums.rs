//! Sums in loops are what they are in whatever order they are added up. Random loops of sums are compiled with and without optimisation; results
//! and memory must agree.

mod support;

#[path = "support/random.rs"]
mod random;

use lucet::abi::LUCET_RETURNED;
use lucetc::options::OptLevel;
use random::Random;
use std::fmt::Write as _;
use support::{Guest, i32};

/// Loops in a module, and modules.
const FUNCTIONS: usize = 16;
const MODULES: usize = 24;

/// Terms, of which each loop has its own: some depend on the round before by long ways, some not at all.
const TERMS: [&str; 10] = [
    "(local.get $a)",
    "(local.get $b)",
    "(local.get $c)",
    "(local.get $n)",
    "(i32.const 0x9e3779b1)",
    "(i32.rotl (local.get $a) (i32.const 7))",
    "(i32.xor (i32.rotl (local.get $b) (i32.const 11)) (i32.and (local.get $a) (local.get $c)))",
    "(i32.mul (local.get $c) (local.get $b))",
    "(i32.load (i32.and (local.get $n) (i32.const 0xfff)))",
    "(i32.load8_u (i32.and (local.get $a) (i32.const 0xfff)))",
];

/// A sum of some terms, in any association.
fn sum(random: &mut Random) -> String {
    let mut open: Vec<String> = (0..3 + random.below(5))
        .map(|_| TERMS[random.below(TERMS.len())].to_owned())
        .collect();
    while open.len() > 1 {
        let one = open.swap_remove(random.below(open.len()));
        let other = open.swap_remove(random.below(open.len()));
        open.push(format!("(i32.add {one} {other})"));
    }
    open.pop().unwrap_or_default()
}

/// A loop of some statements, in one block or in two.
fn looping(random: &mut Random, export: usize) -> String {
    let mut body = String::new();
    for _ in 0..1 + random.below(6) {
        let sum = sum(random);
        let statement = match random.below(6) {
            0 => format!("(i32.store (i32.and (local.get $n) (i32.const 0xffc)) {sum})"),
            1 => format!("(local.set $a (i32.load (i32.and {sum} (i32.const 0xfff))))"),
            2 => format!("(if (i32.and (local.get $a) (i32.const 1)) (then (local.set $b {sum})))"),
            local => format!("(local.set ${} {sum})", ["a", "b", "c"][local - 3]),
        };
        body.push_str(&statement);
    }
    format!(
        r#"(func (export "{export}") (param $n i32) (param $a i32) (param $b i32) (result i32) (local $c i32)
             (loop $more {body} (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (i32.xor (i32.xor (local.get $a) (i32.rotl (local.get $b) (i32.const 1))) (i32.rotl (local.get $c) (i32.const 2))))"#
    )
}

#[test]
fn orders_agree() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for module in 0..MODULES {
        let mut text = String::from("(module (memory 1)");
        for export in 0..FUNCTIONS {
            write!(text, "{}", looping(&mut random, export)).expect("a string has room");
        }
        text.push(')');
        let plain = Guest::at_level(&text, OptLevel::None);
        let optimised = Guest::at_level(&text, OptLevel::Speed);
        for export in 0..FUNCTIONS {
            for rounds in [1, 2, 37] {
                let arguments = [rounds, 0x0123_4567, -77].map(i32);
                let expected = plain.left_by(&export.to_string(), &arguments);
                let found = optimised.left_by(&export.to_string(), &arguments);
                assert_eq!(expected.0, LUCET_RETURNED);
                assert!(
                    expected == found,
                    "module {module}, function {export}: {text}"
                );
            }
        }
    }
}
