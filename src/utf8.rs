//! Whether a guest's bytes are UTF-8, looked at in pieces: text may be gigabytes, and a guest that is to be stopped waits for no more
//! than a piece.
//!
//! Invariant: a piece ends where a character does, so the rest can be looked at by itself.

/// Bytes of a piece: about ten microseconds.
const PIECE: usize = 64 << 10;

/// What has been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// All of it is UTF-8.
    Good,
    /// It is not.
    Bad,
    /// All but so many bytes at the end is, and then it was to stop.
    Left(usize),
}

/// Looks at bytes, and asks `stop` after each piece.
#[inline]
pub fn look(bytes: &[u8], stop: impl Fn() -> bool) -> Text {
    if bytes.len() <= PIECE {
        return match std::str::from_utf8(bytes) {
            Ok(_) => Text::Good,
            Err(_) => Text::Bad,
        };
    }
    in_pieces(bytes, stop)
}

#[cold]
fn in_pieces(mut rest: &[u8], stop: impl Fn() -> bool) -> Text {
    loop {
        let (piece, last) = match rest.split_at_checked(PIECE) {
            Some((piece, behind)) => (piece, behind.is_empty()),
            None => (rest, true),
        };
        let good = match std::str::from_utf8(piece) {
            Ok(_) => piece.len(),
            // A character that goes on in the next piece.
            Err(error) if error.error_len().is_none() && !last => error.valid_up_to(),
            Err(_) => return Text::Bad,
        };
        rest = rest.get(good..).unwrap_or(&[]);
        if rest.is_empty() {
            return Text::Good;
        }
        if stop() {
            return Text::Left(rest.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bytes each, so that every other piece ends within one.
    fn text(first: &str, characters: usize) -> Vec<u8> {
        let mut text = first.to_owned();
        text.extend(std::iter::repeat_n('\u{e9}', characters));
        text.into_bytes()
    }

    #[test]
    fn characters_across_pieces_are_whole() {
        for first in ["", "a", "\u{1d11e}", "ab\u{20ac}"] {
            let mut some = text(first, 2 * PIECE);
            assert_eq!(look(&some, || false), Text::Good);
            some.push(0xc3);
            assert_eq!(
                look(&some, || false),
                Text::Bad,
                "an end within a character"
            );
            for at in [0, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
                let mut bad = text(first, 2 * PIECE);
                if let Some(byte) = bad.get_mut(at) {
                    *byte = 0xff;
                }
                assert_eq!(look(&bad, || false), Text::Bad, "at {at}");
            }
        }
    }

    #[test]
    fn what_is_left_begins_with_a_character() {
        for first in ["", "a"] {
            let some = text(first, 2 * PIECE);
            let Text::Left(left) = look(&some, || true) else {
                panic!("it was to stop");
            };
            assert!((some.len() - PIECE..=some.len() - PIECE + 1).contains(&left));
            assert_eq!(look(&some[some.len() - left..], || false), Text::Good);
        }
        assert_eq!(look(&text("", PIECE / 2), || true), Text::Good);
    }
}
