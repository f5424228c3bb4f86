//! Interpreters do what their programs say, also where the jump of their switch is copied to the end of each case. Random loops around a
//! switch are compiled with and without optimisation and interpret random bytes; results, traps and all of memory must agree.

mod support;

#[path = "support/random.rs"]
mod random;

use lucet::abi::{LUCET_RETURNED, LUCET_TRAPPED};
use lucetc::options::OptLevel;
use random::Random;
use std::fmt::Write as _;
use support::{Guest, i32};

/// Interpreters in a module, and modules. `LUCET_SWITCHES=n` tries n times as many.
const FUNCTIONS: usize = 16;
const MODULES: usize = 16;
/// Runs of each interpreter.
const RUNS: usize = 24;

/// What a case does to the interpreter's registers. The instruction is in `$op` and `$arg`, which are read where the loop begins.
const STEPS: [&str; 22] = [
    "(local.set $a (i32.add (local.get $a) (local.get $arg)))",
    "(local.set $b (i32.xor (local.get $b) (i32.shl (local.get $a) (local.get $op))))",
    "(local.set $c (i64.add (i64.mul (local.get $c) (i64.const 31)) (i64.extend_i32_u (local.get $arg))))",
    "(local.set $x (f64.add (local.get $x) (f64.convert_i32_s (local.get $op))))",
    "(local.set $a (i32.load8_u (i32.and (local.get $b) (i32.const 0xfff))))",
    "(local.set $b (i32.load offset=4 (i32.add (local.get $pc) (local.get $arg))))",
    "(i32.store8 (i32.add (i32.and (local.get $a) (i32.const 0xfff)) (i32.const 8192)) (local.get $b))",
    "(i64.store offset=16384 (i32.and (local.get $pc) (i32.const 0xff8)) (local.get $c))",
    "(local.set $t (local.get $a)) (local.set $a (local.get $b)) (local.set $b (local.get $t))",
    "(local.set $pc (i32.add (local.get $pc) (i32.and (local.get $arg) (i32.const 15))))",
    "(local.set $pc (i32.const 3))",
    "(if (i32.and (local.get $a) (i32.const 1)) (then (local.set $b (i32.add (local.get $b) (local.get $op)))) (else (local.set $a (i32.xor (local.get $a) (local.get $pc)))))",
    "(if (i32.lt_s (local.get $b) (local.get $arg)) (then (local.set $a (i32.rotl (local.get $a) (local.get $arg)))))",
    "(local.set $t (i32.and (local.get $arg) (i32.const 3))) (block $done (loop $inner (br_if $done (i32.eqz (local.get $t))) (local.set $t (i32.sub (local.get $t) (i32.const 1))) (local.set $a (i32.add (local.get $a) (local.get $b))) (br $inner)))",
    "(block $x (block $y (block $z (br_table $x $y $z (i32.and (local.get $a) (i32.const 3)))) (local.set $b (i32.const 5)) (br $x)) (local.set $a (i32.sub (local.get $a) (local.get $op))))",
    "(global.set $g (i32.add (global.get $g) (local.get $op)))",
    "(local.set $b (i32.add (global.get $g) (local.get $arg)))",
    "(local.set $a (i32.wrap_i64 (i64.shr_u (local.get $c) (i64.const 7))))",
    "(local.set $a (i32.rem_s (local.get $a) (i32.or (local.get $arg) (i32.const 1))))",
    "(local.set $fuel (i32.shr_u (local.get $fuel) (i32.and (local.get $arg) (i32.const 1))))",
    "(local.set $a (block $caught (result i32) (try_table (catch $tag $caught) (call $maybe (local.get $a) (local.get $op))) (local.get $arg)))",
    "(block $caught (try_table (catch_all $caught) (call $maybe (local.get $b) (local.get $pc))) (local.set $b (i32.add (local.get $b) (local.get $op))))",
];

/// Steps that trap now and then.
const RARE_STEPS: [&str; 3] = [
    "(local.set $a (i32.div_u (local.get $a) (local.get $arg)))",
    "(local.set $b (i32.load offset=60000 (i32.and (local.get $a) (i32.const 0x1fff))))",
    "(i32.store (i32.add (local.get $b) (i32.const 70)) (local.get $a))",
];

/// Throws half of the time.
const MAYBE: &str = r#"(tag $tag (param i32))
    (func $maybe (param i32 i32)
      (if (i32.and (i32.add (local.get 0) (local.get 1)) (i32.const 1)) (then (throw $tag (i32.shl (local.get 0) (i32.const 1))))))"#;

fn case(random: &mut Random, most_steps: usize) -> String {
    let mut steps = String::new();
    for _ in 0..random.below(most_steps) {
        let from: &[&str] = if random.below(40) == 0 {
            &RARE_STEPS
        } else {
            &STEPS
        };
        steps.push_str(from[random.below(from.len())]);
    }
    steps
}

/// An interpreter of a program at address 0, of type (start, fuel, a) -> i32.
fn interpreter(random: &mut Random, export: usize) -> String {
    // The last one is so large that it reads vmctx from its frame.
    let (cases, most_steps) = if export == FUNCTIONS - 1 {
        (120, 24)
    } else {
        (3 + random.below(20), 4)
    };
    // With the test at the head, or where all cases meet.
    let at_head = random.below(2) == 0;
    let meet = |random: &mut Random| !at_head || random.below(4) == 0;
    let test = "(local.set $fuel (i32.sub (local.get $fuel) (i32.const 1))) (br_if $out (i32.le_s (local.get $fuel) (i32.const 0)))";
    let early = [
        "",
        "(local.set $b (i32.add (local.get $b) (local.get $pc)))",
    ][random.below(2)];
    let index = [
        "(local.get $op)",
        "(i32.and (local.get $op) (i32.const 15))",
        "(i32.sub (local.get $op) (i32.const 4))",
        "(i32.shr_u (local.get $op) (i32.const 3))",
    ][random.below(4)];
    let table: String = (0..cases)
        .map(|case| match random.below(12) {
            // Some go back at once.
            0 if at_head => "$next ".to_owned(),
            1 => "$meet ".to_owned(),
            _ => format!("$c{case} "),
        })
        .collect();
    let mut body = format!("(br_table {table} $meet {index})");
    for number in 0..cases {
        let back = if meet(random) { "$meet" } else { "$next" };
        let back = if random.below(30) == 0 { "$out" } else { back };
        // Some are left by an exception.
        let thrown = match random.below(8) {
            0 => format!(
                "(try_table (catch_all {back}) (call $maybe (local.get $b) (local.get $a)))"
            ),
            _ => String::new(),
        };
        body = format!(
            "(block $c{number} {body}) {} {thrown} (br {back})",
            case(random, most_steps)
        );
    }
    let head = if at_head { test } else { "" };
    let latch = if at_head { "" } else { test };
    let then = case(random, most_steps);
    format!(
        r#"(func (export "{export}") (param $pc i32) (param $fuel i32) (param $a i32) (result i32)
            (local $op i32) (local $arg i32) (local $b i32) (local $t i32) (local $c i64) (local $x f64)
            (block $out
              (loop $next {head} {early}
                (local.set $pc (i32.and (local.get $pc) (i32.const 0xfff)))
                (local.set $op (i32.and (i32.load8_u (local.get $pc)) (i32.const 31)))
                (local.set $arg (i32.load8_u offset=1 (local.get $pc)))
                (local.set $pc (i32.add (local.get $pc) (i32.const {step})))
                (block $meet {body})
                {then} {latch} (br $next)))
            (i32.add (i32.xor (i32.add (local.get $a) (local.get $b)) (i32.xor (local.get $t) (local.get $pc)))
              (i32.add (i32.xor (local.get $op) (local.get $arg))
                (i32.xor (i32.wrap_i64 (local.get $c)) (i32.trunc_sat_f64_s (local.get $x))))))
        "#,
        step = 1 + random.below(3)
    )
}

fn text(random: &mut Random) -> String {
    let mut text = String::from(
        "(module (memory 1) (global $g (mut i32) (i32.const 9)) (data (i32.const 0) \"",
    );
    for _ in 0..0x2000 {
        let _ = write!(text, "\\{:02x}", random.below(256));
    }
    text.push_str("\")");
    for export in 0..FUNCTIONS {
        text.push_str(&interpreter(random, export));
    }
    text.push_str(MAYBE);
    text.push(')');
    text
}

#[test]
fn interpreters_do_what_their_programs_say() {
    let times = std::env::var("LUCET_SWITCHES").ok();
    let times: usize = times.map_or(1, |it| it.parse().expect("LUCET_SWITCHES is a number"));
    let (mut returned, mut trapped) = (0, 0);
    for number in 0..times * MODULES {
        let mut random = Random(number as u64);
        let text = text(&mut random);
        let (plain, optimised) = (
            Guest::at_level(&text, OptLevel::None),
            Guest::at_level(&text, OptLevel::Speed),
        );
        for index in 0..FUNCTIONS {
            let name = index.to_string();
            for _ in 0..RUNS {
                let fuel = [3, 50, 2000][random.below(3)];
                let arguments = [
                    random.below(0x1000) as i32,
                    fuel,
                    random.below(1 << 20) as i32,
                ];
                let expected = plain.left_by(&name, &arguments.map(i32));
                let found = optimised.left_by(&name, &arguments.map(i32));
                assert!(
                    expected == found,
                    "module {number}, function {index} of {arguments:?}: {:?} and not {:?}\n{}",
                    (found.0, found.2),
                    (expected.0, expected.2),
                    text.split("(func ").nth(index + 1).unwrap_or_default()
                );
                returned += u32::from(expected.0 == LUCET_RETURNED);
                trapped += u32::from(expected.0 == LUCET_TRAPPED);
            }
        }
    }
    assert!(
        returned > 1000 && trapped > 100,
        "{returned} returned, {trapped} trapped"
    );
}
