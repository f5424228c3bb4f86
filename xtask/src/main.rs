//! Development commands that need to understand Rust or C: `cargo xtask COMMAND`.
//!
//! ```text
//!   header [--check]          writes include/lucet.h from src/abi.rs and src/capi, or compares it
//!   symbols [--check] [LIB]   liblucet.so's exports == abi/lucet.symbols == the functions of lucet.h;
//!                             without --check, writes abi/lucet.symbols from the header
//!   layering --check          which module of src/ may use which
//!   states [--check]          writes which call may be made in which state into docs/lifecycle.md, or compares it
//! ```
//!
//! Each check prints what is wrong and how to mend it, and exits with 1. It builds nothing and tests nothing else:
//! that is the Makefile's business.

#![forbid(unsafe_code)]

mod declarations;
mod diff;
mod header;
mod layering;
mod states;
mod symbols;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a command answers with: a sentence for success, or a text that says what to do.
type Outcome = Result<String, String>;

const USAGE: &str = "usage: cargo xtask header [--check] | symbols [--check] [LIBRARY] | layering --check | states [--check]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("xtask: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository()?;
    match words.as_slice() {
        ["header"] => header::write(&root),
        ["header", "--check"] => header::check(&root),
        ["symbols"] => symbols::write(&root),
        ["symbols", "--check"] => symbols::check(&root, &default_library(&root)),
        ["symbols", "--check", library] => symbols::check(&root, Path::new(library)),
        ["layering", "--check"] => layering::check(&root),
        ["states"] => states::write(&root),
        ["states", "--check"] => states::check(&root),
        _ => Err(USAGE.to_owned()),
    }
}

/// The top of the work tree: the directory above this package's.
fn repository() -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parent = package
        .parent()
        .ok_or("this package has no parent directory")?;
    Ok(parent.to_owned())
}

/// The library that `make build` leaves.
fn default_library(root: &Path) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("release/liblucet.so")
}

/// The text of a file of the work tree.
fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Replaces a file of the work tree.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
