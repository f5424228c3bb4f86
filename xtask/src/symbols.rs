//! `cargo xtask symbols`: the exported names of liblucet.so, in three places that must agree.
//!
//! abi/lucet.symbols is the list that a change of the ABI is reviewed by; the header is what C programs see; the
//! library is what the dynamic linker sees. Only `lucet_*` may be exported: a dependency's `#[no_mangle]` function
//! would show up here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::{Outcome, declarations, read, replace};

const LIST: &str = "abi/lucet.symbols";
const HEADER: &str = "include/lucet.h";

/// Writes the list from the header.
pub fn write(root: &Path) -> Outcome {
    let names = declared(root)?;
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    replace(&root.join(LIST), &text)?;
    Ok(format!("{LIST}: {} symbols written", names.len()))
}

/// Compares the three.
pub fn check(root: &Path, library: &Path) -> Outcome {
    let listed: BTreeSet<String> = read(&root.join(LIST))?.lines().map(str::to_owned).collect();
    let declared = declared(root)?;
    let exported = exported(library)?;
    let library = library.display().to_string();
    let mut problems = Vec::new();
    compare(&mut problems, (LIST, &listed), (HEADER, &declared));
    compare(&mut problems, (LIST, &listed), (&library, &exported));
    for name in exported.iter().filter(|name| !name.starts_with("lucet_")) {
        problems.push(format!(
            "{library} exports {name}, which does not start with lucet_"
        ));
    }
    if problems.is_empty() {
        return Ok(format!(
            "{LIST}: {} symbols, as in the header and in the library",
            listed.len()
        ));
    }
    Err(format!(
        "{}\nan intended change of the ABI: cargo xtask symbols, and see abi/README.md",
        problems.join("\n")
    ))
}

type Named<'a> = (&'a str, &'a BTreeSet<String>);

/// Notes the names that only one of the two has.
fn compare(problems: &mut Vec<String>, left: Named, right: Named) {
    for name in left.1.difference(right.1) {
        problems.push(format!("{name} is in {}, not in {}", left.0, right.0));
    }
    for name in right.1.difference(left.1) {
        problems.push(format!("{name} is in {}, not in {}", right.0, left.0));
    }
}

fn declared(root: &Path) -> Result<BTreeSet<String>, String> {
    let names = declarations::functions(&read(&root.join(HEADER))?);
    if names.is_empty() {
        return Err(format!("{HEADER} declares no function"));
    }
    Ok(names.into_iter().collect())
}

/// The dynamic symbols that the library defines, as nm sees them.
fn exported(library: &Path) -> Result<BTreeSet<String>, String> {
    let output = Command::new("nm")
        .args(["--dynamic", "--defined-only", "--format=posix"])
        .arg(library)
        .output()
        .map_err(|error| format!("nm: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "nm: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_on_one_side_only_is_a_problem() {
        let left = BTreeSet::from(["lucet_a".to_owned(), "lucet_b".to_owned()]);
        let right = BTreeSet::from(["lucet_b".to_owned(), "lucet_c".to_owned()]);
        let mut problems = Vec::new();
        compare(&mut problems, ("list", &left), ("library", &right));
        assert_eq!(
            problems,
            [
                "lucet_a is in list, not in library",
                "lucet_c is in library, not in list"
            ]
        );
    }
}
