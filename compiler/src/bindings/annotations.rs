//! What WIT has no words for: lines of its comments that start with `@lucet`.
//!
//! ```text
//!   of a package's main interface or world:   @lucet module NAME      the module part of its imports
//!                                             @lucet prefix NAME      what its names in C start with
//!                                             @lucet names snake      imports are named with underscores
//!   of these and of functions:                @lucet on-failure trap | INTEGER
//!   of functions:                             @lucet name NAME        the field part of the import
//!                                             @lucet leaf
//!                                             @lucet param NAME OPTION, OPTION...
//!   options:   out, in-out, max N, align N, copy
//! ```

use super::Options;
use std::collections::BTreeMap;

/// What happens when an argument is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The guest traps.
    Trap,
    /// The guest gets this.
    Answer(i128),
}

/// The annotations of one comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `module`
    pub module: Option<String>,
    /// `prefix`
    pub prefix: Option<String>,
    /// `names snake`
    pub snake: bool,
    /// `on-failure`
    pub failure: Option<Failure>,
    /// `name`
    pub name: Option<String>,
    /// `leaf`
    pub leaf: bool,
    /// `param`, by the parameter's name in WIT.
    pub parameters: BTreeMap<String, Options>,
    /// The lines that are no annotations.
    pub text: Vec<String>,
}

/// Where an annotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an interface or a world.
    Interface,
    /// At a function.
    Function,
    /// Elsewhere, where none may stand.
    Other,
}

/// The word that starts an annotation.
const WORD: &str = "@lucet";

/// Reads a comment. The error is a sentence without its end.
pub fn annotations(comment: Option<&str>, place: Place) -> Result<Annotations, String> {
    let mut found = Annotations::default();
    for line in comment.unwrap_or_default().lines() {
        match line.trim().strip_prefix(WORD) {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
                annotation(rest.trim(), place, &mut found)
                    .map_err(|why| format!("annotation \"{}\" {why}", line.trim()))?;
            }
            _ => found.text.push(line.trim_end().to_owned()),
        }
    }
    while found.text.last().is_some_and(|line| line.trim().is_empty()) {
        found.text.pop();
    }
    Ok(found)
}

fn annotation(text: &str, place: Place, found: &mut Annotations) -> Result<(), String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match (word, place) {
        ("module", Place::Interface) => once(&mut found.module, name(rest)?),
        ("prefix", Place::Interface) => once(&mut found.prefix, identifier(rest)?),
        ("names", Place::Interface) if rest == "snake" => {
            found.snake = true;
            Ok(())
        }
        ("on-failure", Place::Interface | Place::Function) => {
            once(&mut found.failure, failure(rest)?)
        }
        ("name", Place::Function) => once(&mut found.name, name(rest)?),
        ("leaf", Place::Function) if rest.is_empty() => {
            found.leaf = true;
            Ok(())
        }
        ("param", Place::Function) => parameter(rest, found),
        _ => Err("does not exist here".to_owned()),
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("stands here twice".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
        return Err("needs one name".to_owned());
    }
    Ok(text.to_owned())
}

fn identifier(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() || !text.chars().all(good)
    {
        return Err("needs an identifier of C".to_owned());
    }
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return Err("needs an identifier without underscores at its ends or two in a row, which C and C++ reserve".to_owned());
    }
    if text.eq_ignore_ascii_case("lucet") {
        return Err(
            "needs another identifier: names that start with lucet_ are the library's".to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn failure(text: &str) -> Result<Failure, String> {
    if text == "trap" {
        return Ok(Failure::Trap);
    }
    let number = text.parse();
    number
        .map(Failure::Answer)
        .map_err(|_| "needs `trap` or an integer".to_owned())
}

fn parameter(text: &str, found: &mut Annotations) -> Result<(), String> {
    let (name, rest) = text
        .split_once(char::is_whitespace)
        .ok_or("needs a parameter and what is said of it")?;
    let options = found.parameters.entry(name.to_owned()).or_default();
    for option in rest.split(',') {
        let option = option.trim();
        let (word, number) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        match (word, number.trim()) {
            ("out", "") => (options.written, options.unread) = (true, true),
            ("in-out", "") => (options.written, options.unread) = (true, false),
            ("copy", "") => options.copy = true,
            ("max", number) => options.maximum = Some(positive(number)?),
            ("align", number) => {
                let align = number
                    .parse()
                    .ok()
                    .filter(|align: &u8| align.is_power_of_two());
                options.align = Some(align.ok_or("needs a power of two, at most 128")?);
            }
            _ => return Err(format!("has an unknown option \"{option}\"")),
        }
    }
    Ok(())
}

fn positive(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number: &u32| *number > 0);
    number.ok_or_else(|| "needs a number of at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_comment_are_annotations_or_text() {
        let comment = "Reads.\n@lucet name req_read\n@lucet param buf out, max 65536\n@lucet on-failure -1\n\n@lucetic is no word\n";
        let found = annotations(Some(comment), Place::Function).expect("good annotations");
        assert_eq!(found.name.as_deref(), Some("req_read"));
        assert_eq!(found.failure, Some(Failure::Answer(-1)));
        let expected = Options {
            written: true,
            unread: true,
            maximum: Some(65536),
            ..Options::default()
        };
        assert_eq!(found.parameters["buf"], expected);
        assert_eq!(found.text, ["Reads.", "", "@lucetic is no word"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "@lucet",
            "@lucet module m",
            "@lucet name",
            "@lucet name a b",
            "@lucet leaf now",
            "@lucet on-failure perhaps",
            "@lucet param buf",
            "@lucet param buf max 0",
            "@lucet param buf align 3",
            "@lucet param buf sideways",
            "@lucet name a\n@lucet name b",
        ] {
            assert!(annotations(Some(line), Place::Function).is_err(), "{line}");
        }
        assert!(annotations(Some("@lucet leaf"), Place::Interface).is_err());
        for prefix in ["1a", "_a", "a_", "a__b", "lucet"] {
            let line = format!("@lucet prefix {prefix}");
            assert!(annotations(Some(&line), Place::Interface).is_err());
        }
        assert!(annotations(Some("@lucet leaf"), Place::Other).is_err());
    }
}
