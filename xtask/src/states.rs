//! `cargo xtask states`: the tables of docs/lifecycle.md that say which call may be made in which state.
//!
//! They are made of tests/c/unit/states.def, whose lines tests/c/unit/states.c makes true: each call is made in each state, and answers what
//! the line says. It reads lines that begin with the name of a macro, and nothing else of C. Each function of the header has to be in
//! one of the tables.

use std::path::Path;

use crate::{Outcome, declarations, read, replace};

const DEFINITIONS: &str = "tests/c/unit/states.def";
const PAGE: &str = "docs/lifecycle.md";
const HEADER: &str = "include/lucet.h";

/// A table: the macro of its lines, and what its columns are called.
const TABLES: [(&str, &[&str]); 3] = [
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
    ("OTHER_CALL", &["thread", "in signal handlers"]),
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
    compare(&definitions, &read(&root.join(HEADER))?)?;
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

/// That each function of the header is in one row.
fn compare(definitions: &str, header: &str) -> Result<(), String> {
    let mut listed: Vec<String> = Vec::new();
    for (name, _) in TABLES {
        let lines = definitions
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('('));
        listed.extend(lines.filter_map(row).flat_map(|row| names(name, &row[0])));
    }
    let declared = declarations::functions(header);
    let mut problems: Vec<String> = Vec::new();
    for function in &declared {
        match listed.iter().filter(|listed| *listed == function).count() {
            1 => {}
            rows => problems.push(format!("{function} is in {rows} rows of {DEFINITIONS}")),
        }
    }
    for unknown in listed.iter().filter(|listed| !declared.contains(listed)) {
        problems.push(format!(
            "{DEFINITIONS} has {unknown}, which {HEADER} has not"
        ));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

/// The functions that a row names: `run, call_funcref` of instances; `lucet_region_new, _trim`. What has spaces is prose.
fn names(table: &str, row: &str) -> Vec<String> {
    let mut stem = match table {
        "INSTANCE_CALL" => "lucet_instance_".to_owned(),
        _ => String::new(),
    };
    let mut names = Vec::new();
    for name in row.split(", ").filter(|name| !name.contains(' ')) {
        match name.strip_prefix('_') {
            Some(rest) => names.push(format!("{stem}{rest}")),
            None if name.starts_with("lucet_") => {
                let parts: Vec<&str> = name.splitn(3, '_').collect();
                stem = parts.iter().take(2).flat_map(|part| [part, "_"]).collect();
                names.push(name.to_owned());
            }
            None => names.push(format!("{stem}{name}")),
        }
    }
    names
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
        word @ ("ANY" | "ONE" | "OWN" | "YES" | "NO") => word.to_lowercase(),
        status => status.to_owned(),
    }));
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::{compare, names};

    #[test]
    fn rows_name_functions() {
        assert_eq!(
            names("INSTANCE_CALL", "call, typed entries, handle_new"),
            ["lucet_instance_call", "lucet_instance_handle_new"]
        );
        assert_eq!(
            names("OTHER_CALL", "lucet_tag_new, _release, lucet_version"),
            ["lucet_tag_new", "lucet_tag_release", "lucet_version"]
        );
    }

    #[test]
    fn a_function_without_a_row_is_found() {
        let definitions = "OTHER_CALL(\"lucet_tag_new, _release\", ANY, NO)\n";
        let good = "void lucet_tag_new(void);\nvoid lucet_tag_release(void);\n";
        assert_eq!(compare(definitions, good), Ok(()));
        let more = format!("{good}void lucet_tag_more(void);\n");
        let problem = compare(definitions, &more).expect_err("one has no row");
        assert!(problem.contains("lucet_tag_more is in 0 rows"), "{problem}");
        let problem = compare(definitions, "void lucet_tag_new(void);").expect_err("one too many");
        assert!(problem.contains("lucet_tag_release"), "{problem}");
    }
}
