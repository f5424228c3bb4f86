//! A line of text in a buffer of its own: formatting that allocates nothing. What does not fit is cut at the end of
//! a character.

use std::fmt::{self, Write};

/// The most bytes of a line.
pub const CAPACITY: usize = 1024;

/// See the file's header.
pub struct Line {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Line {
    /// A line with this text.
    pub fn of(text: fmt::Arguments<'_>) -> Line {
        let mut line = Line {
            bytes: [0; CAPACITY],
            length: 0,
        };
        // A line that is too long is cut: no failure.
        let _ = line.write_fmt(text);
        line
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut take = text.len().min(self.bytes.len() - self.length);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.bytes[self.length..self.length + take].copy_from_slice(&text.as_bytes()[..take]);
        self.length += take;
        if take < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_at_a_character() {
        assert_eq!(
            Line::of(format_args!("{} and {}", 1, "two")).as_str(),
            "1 and two"
        );
        assert_eq!(
            Line::of(format_args!("a{}", "é".repeat(600)))
                .as_str()
                .len(),
            1023
        );
    }
}
