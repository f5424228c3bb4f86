//! `cargo xtask header`: include/lucet.h from the Rust declarations.
//!
//! cbindgen leaves out what it does not understand, says so in its log, and succeeds; so everything it logs as a
//! warning or an error is a failure here. The check renders to memory: cbindgen's own `--verify` overwrites the
//! file that it compares.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::{Outcome, declarations, diff, read, replace};

/// Writes the header.
pub fn write(root: &Path) -> Outcome {
    let text = render(root)?;
    replace(&root.join(HEADER), &text)?;
    Ok(format!("{HEADER}: written"))
}

/// Compares the header with what [`write`] would write, and its version with the package's.
pub fn check(root: &Path) -> Outcome {
    let expected = render(root)?;
    let found = read(&root.join(HEADER))?;
    if expected != found {
        let difference = diff::lines(&expected, &found);
        return Err(format!(
            "{HEADER} is not what the sources say, {difference}mend it: cargo xtask header"
        ));
    }
    check_version(&found)?;
    check_comments(&found)?;
    Ok(format!("{HEADER}: up to date"))
}

const HEADER: &str = "include/lucet.h";

fn render(root: &Path) -> Result<String, String> {
    let problems = Problems::collect();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources(root)? {
        builder = builder.with_src(source);
    }
    let bindings = builder
        .generate()
        .map_err(|error| format!("cbindgen: {error}"))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    problems.none()?;
    String::from_utf8(bytes).map_err(|error| format!("cbindgen: {error}"))
}

/// The files with C declarations in the header's order: `capi/mod.rs` lists the nouns in reading order.
fn sources(root: &Path) -> Result<Vec<PathBuf>, String> {
    let capi = root.join("src/capi");
    let list = read(&capi.join("mod.rs"))?;
    let mut files = vec![root.join("src/abi.rs")];
    files.extend(
        list.lines()
            .filter_map(module_name)
            .map(|name| capi.join(format!("{name}.rs"))),
    );
    Ok(files)
}

/// The name in `mod name;` or `pub mod name;`.
fn module_name(line: &str) -> Option<&str> {
    let line = line
        .strip_prefix("pub(crate) ")
        .or(line.strip_prefix("pub "))
        .unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// Every function's comment says since when it exists, and which threads may call it.
fn check_comments(header: &str) -> Result<(), String> {
    let mut comment = String::new();
    let mut problems = Vec::new();
    for line in header.lines() {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
            continue;
        }
        let declared = line.split('(').next().unwrap_or_default();
        let name = declared.rsplit([' ', '*']).next().unwrap_or_default();
        if line.contains('(') && name.starts_with("lucet_") && !line.starts_with("typedef") {
            for word in ["Since 0.", "thread"] {
                if !comment.to_lowercase().contains(&word.to_lowercase()) {
                    problems.push(format!("{name}: its comment does not say \"{word}\""));
                }
            }
        }
        comment.clear();
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("{HEADER}:\n  {}", problems.join("\n  ")))
    }
}

/// `LUCET_VERSION` is packed from the three parts, and they are the package's.
fn check_version(header: &str) -> Result<(), String> {
    let constant = |name: &str| {
        declarations::constant(header, name)
            .ok_or(format!("{HEADER} does not define {name} as a number"))
    };
    let parts = [
        constant("LUCET_VERSION_MAJOR")?,
        constant("LUCET_VERSION_MINOR")?,
        constant("LUCET_VERSION_PATCH")?,
    ];
    let [major, minor, patch] = parts;
    let version = format!("{major}.{minor}.{patch}");
    if version != env!("CARGO_PKG_VERSION") {
        return Err(format!(
            "{HEADER} says version {version}, Cargo.toml {}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    if constant("LUCET_VERSION")? != major << 16 | minor << 8 | patch {
        return Err(format!(
            "{HEADER}: LUCET_VERSION is not major << 16 | minor << 8 | patch"
        ));
    }
    Ok(())
}

/// What cbindgen logged.
struct Problems;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Problems {
    fn collect() -> Problems {
        // A second call finds the logger in place, which is as good.
        let _ = log::set_logger(&Problems);
        log::set_max_level(log::LevelFilter::Warn);
        Problems
    }

    fn none(&self) -> Result<(), String> {
        let logged = LOGGED.lock().map_err(|error| error.to_string())?;
        if logged.is_empty() {
            return Ok(());
        }
        Err(format!(
            "cbindgen left something out of the header:\n  {}",
            logged.join("\n  ")
        ))
    }
}

impl log::Log for Problems {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record) {
        let text = record.args().to_string();
        // Private items are meant to be left out.
        if self.enabled(record.metadata())
            && !text.ends_with("(not `pub`).")
            && let Ok(mut logged) = LOGGED.lock()
        {
            logged.push(format!("{}: {text}", record.level()));
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::{check_comments, module_name};

    #[test]
    fn comments_are_complete() {
        let good = "// Does. Any thread. Since 0.1.\nint lucet_do(void);\n";
        assert!(check_comments(good).is_ok());
        assert!(check_comments("// Does. Since 0.1.\nint *lucet_do(void);\n").is_err());
        assert!(
            check_comments("// Any thread. Since 0.1.\nint x;\nint lucet_do(void);\n").is_err()
        );
    }

    #[test]
    fn modules_are_found_whatever_their_visibility() {
        assert_eq!(module_name("mod region;"), Some("region"));
        assert_eq!(module_name("pub mod region;"), Some("region"));
        assert_eq!(module_name("pub(crate) mod region;"), Some("region"));
        assert_eq!(module_name("mod tests {"), None);
    }
}
