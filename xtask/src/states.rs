//! `cargo xtask states`: the tables of docs/lifecycle.md that say which call may be made in which state.
//!
//! They are made of tests/c/unit/states.def, whose lines tests/c/unit/states.c makes true: each call is made in each state, and answers what
//! the line says. It reads lines that begin with the name of a macro, and nothing else of C.

use std::path::Path;

use crate::{Outcome, read, replace};

const DEFINITIONS: &str = "tests/c/unit/states.def";
const PAGE: &str = "docs/lifecycle.md";

/// A table: the macro of its lines, and what its columns are called.
const TABLES: [(&str, &[&str]); 2] = [
    (
        "INSTANCE_CALL",
        &[
            "ready",
            "stopped",
            "suspended",
            "preempted",
            "in its host function",
            "in its leaf",
            "runs on another thread",
            "released",
            "other process",
        ],
    ),
    (
        "HOST_CALL",
        &[
            "in the host function",
            "in a leaf",
            "in a host function of a callback",
            "suspension is asked for",
            "the end is asked for",
            "it has returned",
        ],
    ),
];

/// Writes the tables into the page.
pub fn write(root: &Path) -> Outcome {
    let path = root.join(PAGE);
    replace(&path, &page(root)?)?;
    Ok(format!("{PAGE}: the tables of states are written"))
}

/// Compares them.
pub fn check(root: &Path) -> Outcome {
    if page(root)? == read(&root.join(PAGE))? {
        return Ok(format!("{PAGE}: as {DEFINITIONS} has it"));
    }
    Err(format!(
        "{PAGE} does not have the tables of {DEFINITIONS}\nmend it: cargo xtask states"
    ))
}

/// The page with both tables replaced.
fn page(root: &Path) -> Result<String, String> {
    let definitions = read(&root.join(DEFINITIONS))?;
    let mut page = read(&root.join(PAGE))?;
    for (name, columns) in TABLES {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
        let (Some(from), Some(to)) = (page.find(&start), page.find(&end)) else {
            return Err(format!("{PAGE} has no place for the table {name}"));
        };
        page.replace_range(from + start.len()..to, &table(&definitions, name, columns)?);
    }
    Ok(page)
}

fn table(definitions: &str, name: &str, columns: &[&str]) -> Result<String, String> {
    let mut text = format!("| call | {} |\n|---", columns.join(" | "));
    text.push_str(&"|---".repeat(columns.len()));
    text.push_str("|\n");
    let lines = definitions
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('('));
    let mut rows = 0;
    for line in lines {
        let row = row(line).filter(|row| row.len() == columns.len() + 1);
        let row = row.ok_or_else(|| format!("{DEFINITIONS}: cannot read {name}({line}"))?;
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        rows += 1;
    }
    if rows == 0 {
        return Err(format!("{DEFINITIONS} has no {name}"));
    }
    Ok(text)
}

/// The call's name and the answers: of `test, "name", ANSWER, ...)`.
fn row(line: &str) -> Option<Vec<String>> {
    let (_, rest) = line.split_once('"')?;
    let (call, answers) = rest.split_once('"')?;
    let answers = answers
        .trim()
        .strip_prefix(',')?
        .trim_end()
        .strip_suffix(')')?;
    let mut row = vec![call.to_owned()];
    row.extend(answers.split(',').map(|answer| match answer.trim() {
        "OK" => "ok".to_owned(),
        "NONE" => "-".to_owned(),
        status => status.to_owned(),
    }));
    Some(row)
}
