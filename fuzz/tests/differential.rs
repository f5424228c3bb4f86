//! The bounded run of every build: fixed seeds, and a module for every difference that was ever found. A failure names
//! the seed: `cargo run -p lucet-fuzz -- --seeds SEED..SEED+1 --keep DIR` writes its module to a file.

use lucet_fuzz::compare::{self, Tally};
use lucet_fuzz::{generate, ours};

/// Seeds of the run; a longer one is `make fuzz`.
const SEEDS: u64 = 400;
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
