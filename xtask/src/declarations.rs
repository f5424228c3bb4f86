//! Reads a C header just well enough to list the functions it declares and the numbers it defines.
//!
//! It is meant for generated headers: comments, preprocessor lines, balanced braces, declarations that end in `;`.
//! It is no parser of C.

/// The functions that `header` declares, in its order. Definitions (inline functions) are not declarations.
pub fn functions(header: &str) -> Vec<String> {
    let text = without_bodies(&without_preprocessor(&without_comments(header)));
    text.split(';').filter_map(function_name).collect()
}

/// The value of `#define name number`.
pub fn constant(header: &str, name: &str) -> Option<u32> {
    let text = without_comments(header);
    let value = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next())?
    })?;
    let digits = value.trim_end_matches(['u', 'U', 'l', 'L']);
    match digits.strip_prefix("0x") {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = first_of(rest, "/*", "//") {
        let (before, comment) = rest.split_at(start);
        out.push_str(before);
        let end = if comment.starts_with("//") {
            comment.find('\n')
        } else {
            comment.find("*/").map(|end| end + 2)
        };
        out.push(' ');
        rest = end.map_or("", |end| &comment[end..]);
    }
    out + rest
}

fn first_of(text: &str, left: &str, right: &str) -> Option<usize> {
    match (text.find(left), text.find(right)) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

fn without_preprocessor(text: &str) -> String {
    let mut continued = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let skipped = continued || line.trim_start().starts_with('#');
        continued = skipped && line.ends_with('\\');
        if !skipped {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Leaves out everything between braces, but not what `extern "C" {` encloses.
fn without_bodies(text: &str) -> String {
    let text = text.replace("extern \"C\" {", "");
    let mut depth = 0_usize;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    out
}

/// The word in front of the first parenthesis of a declaration that is neither a type nor a static function.
fn function_name(declaration: &str) -> Option<String> {
    let declaration = declaration.trim_start();
    if declaration.starts_with("typedef") || declaration.starts_with("static") {
        return None;
    }
    let declaration = declaration
        .strip_prefix("LUCET_MUST_USE")
        .unwrap_or(declaration);
    let before = declaration.split_once('(')?.0.trim_end();
    let name = before
        .rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{constant, functions};

    const HEADER: &str = r#"
        /* int lucet_commented(void); */
        #define LUCET_A 3u
        #define LUCET_B 0x000100 // packed
        #define CALL(x) \
            lucet_macro(x);
        #ifdef __cplusplus
        extern "C" {
        #endif
        typedef int32_t lucet_status;
        typedef void (*lucet_function)(void);
        typedef struct lucet_outcome { uint32_t kind; void (*member)(int); } lucet_outcome;
        // lucet_line(comment);
        LUCET_MUST_USE lucet_status lucet_region_new(const lucet_config *config, void (*release)(void *data));
        const char *lucet_last_error(void);
        static inline int lucet_inline(void) { return lucet_version(); }
        #ifdef __cplusplus
        }
        #endif
    "#;

    #[test]
    fn declared_functions_are_listed() {
        assert_eq!(functions(HEADER), ["lucet_region_new", "lucet_last_error"]);
    }

    #[test]
    fn constants_are_read_in_both_bases() {
        assert_eq!(constant(HEADER, "LUCET_A"), Some(3));
        assert_eq!(constant(HEADER, "LUCET_B"), Some(0x100));
        assert_eq!(constant(HEADER, "LUCET_C"), None);
    }
}
