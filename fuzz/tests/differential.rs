//! The bounded run of every build: fixed seeds, and a module for every difference that was ever found. A failure names
//! the seed: `cargo run -p lucet-fuzz -- --seeds SEED..SEED+1 --keep DIR` writes its module to a file.

use lucet_fuzz::compare::{self, Tally};
use lucet_fuzz::{generate, ours, programs};
use lucetc::options::{Emit, Options};

/// Seeds of the run; a longer one is `make fuzz`.
const SEEDS: u64 = 3000;
const TESTS: u64 = 4;

fn quarter(part: u64) {
    let ways = ours::configurations();
    let mut total = Tally::default();
    let mut differences = Vec::new();
    for seed in (part..SEEDS).step_by(TESTS as usize) {
        match compare::seed(seed, generate::BYTES, &ways) {
            Ok(tally) => total.add(tally),
            Err(why) => differences.push(format!("seed {seed}: {why}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // That the generator still makes something worth comparing.
    let seeds = SEEDS / TESTS;
    assert!(total.modules > seeds * 8 / 10, "{total:?}");
    assert!(total.returned > seeds * 20, "{total:?}");
    assert!(total.trapped > seeds * 4, "{total:?}");
    assert!(total.undecided * 20 < total.returned, "{total:?}");
}

#[test]
fn generated_modules_behave_as_in_the_reference_first_quarter() {
    quarter(0);
}

#[test]
fn generated_modules_behave_as_in_the_reference_second_quarter() {
    quarter(1);
}

#[test]
fn generated_modules_behave_as_in_the_reference_third_quarter() {
    quarter(2);
}

#[test]
fn generated_modules_behave_as_in_the_reference_last_quarter() {
    quarter(3);
}

/// Programs of the run.
const PROGRAMS: u64 = 800;

fn half_of_programs(part: u64) {
    let ways = ours::configurations();
    let mut total = Tally::default();
    let mut differences = Vec::new();
    for seed in (part..PROGRAMS).step_by(2) {
        match compare::program(seed, &ways) {
            Ok(tally) => total.add(tally),
            Err(why) => differences.push(format!("program {seed}: {why}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(total.modules, PROGRAMS / 2, "{total:?}");
    assert!(total.returned > total.trapped, "{total:?}");
}

#[test]
fn programs_behave_as_their_plain_form_first_half() {
    half_of_programs(0);
}

#[test]
fn programs_behave_as_their_plain_form_second_half() {
    half_of_programs(1);
}

/// That the programs have what they are for, each in a good part of them.
#[test]
fn programs_use_what_modules_do_not() {
    let mut found = [
        ("try_table", 0),
        ("throw_ref", 0),
        ("call_ref", 0),
        ("br_on_null", 0),
        ("atomic.rmw", 0),
        ("memory.grow", 0),
        ("memory.copy", 0),
        ("return_call", 0),
        ("v128.load", 0),
        ("(pagesize 1)", 0),
        ("i64.extend_i32_u i64.load", 0),
        ("loop $l", 0),
        ("(import \"library\" \"f0\"", 0),
        ("call $word", 0),
        ("call $number", 0),
    ];
    let seeds = 300;
    for seed in 0..seeds {
        let text = programs::program(seed).real;
        // Words follow each other in lines of their own as well.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (word, count) in &mut found {
            *count += u64::from(text.contains(*word));
        }
    }
    for (word, count) in found {
        assert!(count * 20 > seeds, "{word}: in {count} of {seeds}");
    }
}

/// That the passes over loops find something to do: vectors of numbers where the program has none.
#[test]
fn programs_have_loops_that_are_widened() {
    let options = Options {
        listing: Emit::Clif,
        threads: 1,
        ..Options::default()
    };
    let (mut widened, mut plain) = (0, 0);
    for seed in 0..60 {
        let text = programs::program(seed).plain;
        if text.contains("v128") {
            continue;
        }
        plain += 1;
        let wasm = lucetc::binary(text.as_bytes()).expect("text");
        let compiled = lucetc::compile(&wasm, &options).expect("a program that compiles");
        let listings = compiled
            .code
            .iter()
            .filter_map(|code| code.listing.as_ref());
        widened += u64::from(
            listings
                .into_iter()
                .any(|one| one.contains("i32x4") || one.contains("i64x2")),
        );
    }
    assert!(widened * 10 > plain, "{widened} of {plain}");
}

#[test]
fn modules_that_once_differed_do_not() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");
    let ways = ours::configurations();
    let mut compared = 0;
    for entry in std::fs::read_dir(directory).expect("the regressions") {
        let path = entry.expect("a directory entry").path();
        let text = std::fs::read(&path).expect("a module");
        let wasm = lucetc::binary(&text).expect("a module in text or binary format");
        for seed in 0..4 {
            let tally = compare::module(&wasm, seed, &ways)
                .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            compared += tally.modules;
        }
    }
    assert!(compared > 0, "no module in {directory}");
}

/// Compares a module with one in which some text is replaced.
fn noticed(text: &str, was: &str, becomes: &str, expected: &str) {
    let wasm = |text: &str| lucetc::binary(text.as_bytes()).expect("text").into_owned();
    assert!(text.contains(was));
    let (ours, theirs) = (wasm(text), wasm(&text.replace(was, becomes)));
    for way in ours::configurations() {
        compare::modules(&ours, &ours, 1, &[way]).expect("the same module twice");
        let why = compare::modules(&ours, &theirs, 1, &[way]).expect_err("a difference");
        assert!(why.contains(expected), "{why:?} does not say {expected:?}");
    }
}

#[test]
fn differences_of_every_kind_are_noticed() {
    let text = r#"(module
        (memory (export "m") 1 2) (table (export "t") 2 2 funcref) (global (export "g") (mut i64) (i64.const 0))
        (func (export "f") (result i32)
            (i32.store (i32.const 65532) (i32.const 77))
            (global.set 0 (i64.const 88))
            (table.set 0 (i32.const 1) (ref.func 0))
            (i32.const 99))
        (func (export "trap") (unreachable)))"#;
    noticed(text, "99", "98", "Returned([I32(99)]), the reference");
    noticed(text, "77", "76", "memory 0 ");
    noticed(text, "88", "87", "global 0 I64(58), the reference I64(57)");
    noticed(
        text,
        "(table.set 0 (i32.const 1)",
        "(table.set 0 (i32.const 0)",
        "first difference at Some(0)",
    );
    noticed(
        text,
        "(unreachable)",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        "Trapped(1), the reference Trapped(6)",
    );
    noticed(
        text,
        "(unreachable)",
        "",
        "Trapped(1), the reference Returned([])",
    );
}
