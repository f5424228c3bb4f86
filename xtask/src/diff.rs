//! A small difference between two texts, for people: the first differing lines, not a patch.

/// The most lines shown.
const SHOWN: usize = 40;

/// The lines around the first difference: common head and tail are left out.
pub fn lines(expected: &str, found: &str) -> String {
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let head = common(expected.iter(), found.iter());
    let (expected, found) = (&expected[head..], &found[head..]);
    let tail = common(expected.iter().rev(), found.iter().rev());
    let mut text = format!("from line {} on:\n", head + 1);
    side(&mut text, '-', &found[..found.len() - tail]);
    side(&mut text, '+', &expected[..expected.len() - tail]);
    text
}

/// How many leading items are equal.
fn common<'a>(
    left: impl Iterator<Item = &'a &'a str>,
    right: impl Iterator<Item = &'a &'a str>,
) -> usize {
    left.zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

/// Appends one side's lines.
fn side(text: &mut String, mark: char, lines: &[&str]) {
    for line in lines.iter().take(SHOWN) {
        text.push_str(&format!("{mark} {line}\n"));
    }
    if lines.len() > SHOWN {
        text.push_str(&format!("{mark} ... {} more lines\n", lines.len() - SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn only_what_differs_is_shown() {
        let text = lines("a\nb\nc\n", "a\nx\ny\nc\n");
        assert_eq!(text, "from line 2 on:\n- x\n- y\n+ b\n");
    }

    #[test]
    fn an_added_line_at_the_end_is_shown() {
        assert_eq!(lines("a\nb\n", "a\n"), "from line 2 on:\n+ b\n");
    }
}
