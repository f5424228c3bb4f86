//! `cargo xtask layering --check`: which top-level module of `src/` may use which others.
//!
//! The table below is the architecture; a new edge is a decision, made by changing the table. It reads `crate::name`
//! in the sources as text, tests included, so it sees paths in code and in `use` lines alike.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Outcome, read};

/// Each module of `src/` with the modules it may name. A module may always name itself. From the bottom up; two edges point
/// back and are meant to: `context` holds the addresses of the functions that guests reach, and `control` has a place
/// for what `instance` keeps.
const ALLOWED: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("local", &[]),
    ("error", &["local"]),
    ("guard", &[]),
    ("text", &[]),
    ("hot", &[]),
    ("clear", &["mapping"]),
    ("utf8", &[]),
    ("word_of_thread", &[]),
    ("lanes", &["error", "word_of_thread"]),
    ("counted", &["error", "lanes"]),
    ("mapping", &["error"]),
    ("process", &["error", "mapping"]),
    ("poison", &["mapping"]),
    ("control", &["abi", "hot", "instance"]),
    ("directory", &["control", "error", "mapping"]),
    (
        "context",
        &[
            "word_of_thread",
            "running",
            "process",
            "directory",
            "abi",
            "call",
            "control",
            "helpers",
            "typed",
            "checks",
            "checked",
        ],
    ),
    ("running", &["control", "error", "mapping", "process"]),
    ("timing", &["control", "running"]),
    ("arguments", &["context"]),
    ("exception", &["counted", "error"]),
    (
        "linking",
        &[
            "control",
            "directory",
            "error",
            "exception",
            "linker",
            "process",
        ],
    ),
    (
        "linker",
        &[
            "linking",
            "abi",
            "checks",
            "context",
            "control",
            "counted",
            "error",
            "exception",
            "module",
        ],
    ),
    (
        "module",
        &[
            "clear",
            "linking",
            "exception",
            "hot",
            "abi",
            "checks",
            "context",
            "control",
            "counted",
            "error",
            "linker",
            "mapping",
            "text",
        ],
    ),
    (
        "region",
        &[
            "clear",
            "running",
            "hot",
            "lanes",
            "abi",
            "control",
            "counted",
            "directory",
            "error",
            "mapping",
            "module",
            "process",
            "signal",
            "text",
        ],
    ),
    (
        "signal",
        &[
            "context",
            "control",
            "directory",
            "error",
            "mapping",
            "module",
            "region",
            "running",
            "timing",
        ],
    ),
    (
        "thread",
        &[
            "context",
            "directory",
            "error",
            "local",
            "process",
            "running",
            "signal",
        ],
    ),
    (
        "instance",
        &[
            "linker",
            "linking",
            "exception",
            "running",
            "signal",
            "timing",
            "process",
            "abi",
            "context",
            "control",
            "counted",
            "directory",
            "error",
            "guard",
            "module",
            "poison",
            "region",
            "thread",
        ],
    ),
    (
        "helpers",
        &["bridge", "control", "instance", "linking", "utf8"],
    ),
    (
        "bridge",
        &[
            "abi",
            "call",
            "control",
            "error",
            "exception",
            "guard",
            "instance",
            "linking",
            "thread",
            "timing",
        ],
    ),
    ("checks", &["abi", "error", "module"]),
    (
        "checked",
        &["checks", "context", "control", "instance", "module", "utf8"],
    ),
    (
        "call",
        &[
            "exception",
            "timing",
            "abi",
            "arguments",
            "context",
            "control",
            "error",
            "guard",
            "instance",
            "module",
            "thread",
        ],
    ),
    (
        "typed",
        &[
            "thread",
            "control",
            "abi",
            "arguments",
            "context",
            "error",
            "guard",
            "instance",
        ],
    ),
    (
        "wasi",
        &[
            "abi", "call", "counted", "error", "guard", "instance", "linker",
        ],
    ),
];

/// Modules that nothing else may name, listed or not.
const TOP: &[&str] = &["capi"];

/// Checks every source file.
pub fn check(root: &Path) -> Outcome {
    let mut problems = Vec::new();
    let mut files = 0;
    for (module, path) in sources(&root.join("src"))? {
        files += 1;
        for used in used_modules(&read(&path)?) {
            if let Some(problem) = problem(&module, &used) {
                problems.push(format!("{}: {problem}", path.display()));
            }
        }
    }
    if problems.is_empty() {
        return Ok(format!("src: {files} files keep to the layers"));
    }
    Err(format!(
        "{}\nthe table is in xtask/src/layering.rs",
        problems.join("\n")
    ))
}

fn problem(module: &str, used: &str) -> Option<String> {
    if module == used || module == "lib" {
        return None;
    }
    if TOP.contains(&used) {
        return Some(format!("{module} uses {used}, which nothing may use"));
    }
    if TOP.contains(&module) {
        return None;
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
        return Some(format!("{module} is not in the table of layers"));
    };
    (!allowed.contains(&used)).then(|| format!("{module} may not use {used}"))
}

/// Every Rust file below `src`, with the top-level module that it belongs to.
fn sources(src: &Path) -> Result<Vec<(String, std::path::PathBuf)>, String> {
    let mut found = Vec::new();
    let mut waiting = vec![src.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = std::fs::read_dir(&directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((top_level(src, &path), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn top_level(src: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(src).unwrap_or(path);
    let first = relative
        .components()
        .next()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// The modules named by `crate::name` and `use crate::{a, b::c}`, outside comments.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group)),
            None => names.extend(leading_word(rest)),
        }
    }
    names
}

/// The first words of the items of a brace group.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 1_usize;
    let mut heads = Vec::new();
    let mut item = String::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => heads.extend(leading_word(std::mem::take(&mut item).trim_start())),
            _ if depth == 1 => item.push(letter),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads.extend(leading_word(item.trim_start()));
    heads
}

/// The leading module name; types and macros start with capitals or are not names.
fn leading_word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect();
    word.starts_with(|letter: char| letter.is_ascii_lowercase())
        .then_some(word)
}

#[cfg(test)]
mod tests {
    use super::{problem, used_modules};

    #[test]
    fn paths_and_groups_are_seen() {
        let text = "use crate::error::Error;\n// crate::comment\nuse crate::{abi::{a, b}, mapping};\nlet x = crate::region::new();";
        let names: Vec<String> = used_modules(text).into_iter().collect();
        assert_eq!(names, ["abi", "error", "mapping", "region"]);
    }

    #[test]
    fn nothing_imports_the_c_interface() {
        assert!(problem("region", "capi").is_some());
        assert!(problem("capi", "region").is_none());
        assert!(problem("capi", "capi").is_none());
    }
}
