//! What can be checked of a parameter of a host function. The numbers are those of `LUCET_CHECK_*` in `lucet.h`.
//!
//! A kind is four bits; for ranges of memory the bits above say how they are accessed.

/// What a parameter is.
pub mod kind {
    /// An i32 of at most `limit`, unsigned.
    pub const UNSIGNED: u8 = 1;
    /// An i32 that fits `limit` bits, sign included.
    pub const SIGNED: u8 = 2;
    /// An i32 that is a Unicode scalar value.
    pub const CHAR: u8 = 3;
    /// An i32 without other bits than those of `limit`.
    pub const FLAGS: u8 = 4;
    /// An i32 that is one of a list.
    pub const ONE_OF: u8 = 5;
    /// An i32 that stands for an object of the host's.
    pub const HANDLE: u8 = 6;
    /// Two i32: address and number of elements.
    pub const SLICE: u8 = 7;
    /// An i32: the address of one object.
    pub const OBJECT: u8 = 8;
    /// The bits of a kind.
    pub const MASK: u8 = 15;
}

/// How a range is accessed.
pub mod access {
    /// The host function reads.
    pub const READ: u8 = 0x10;
    /// The host function writes.
    pub const WRITE: u8 = 0x20;
    /// It is text in UTF-8.
    pub const UTF8: u8 = 0x40;
    /// The host function gets a copy.
    pub const COPY: u8 = 0x80;
}

/// Integer registers of a System V call.
pub const INTEGERS: u8 = 6;
/// Vector registers of a System V call.
pub const FLOATS: u8 = 8;

/// Counts where the arguments of a System V call go. A place is a word: 0 to 5 are the integer registers, 6 and up the words of
/// stack arguments. <https://gitlab.com/x86-psABIs/x86-64-ABI>, section 3.2.3.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Integer registers that are taken.
    pub integers: u8,
    /// Vector registers that are taken.
    pub floats: u8,
    /// Words of the stack that are taken.
    pub words: u8,
}

impl Places {
    /// The call or vmctx takes the first integer register.
    pub const START: Places = Places {
        integers: 1,
        floats: 0,
        words: 0,
    };

    fn stack(&mut self, words: u8) -> u8 {
        let place = INTEGERS + self.words;
        self.words += words;
        place
    }

    /// The place of an argument of so many words: all in integer registers, or all on the stack, and then the registers are left to
    /// later arguments.
    pub fn integer(&mut self, words: u8) -> u8 {
        if self.integers + words > INTEGERS {
            return self.stack(words);
        }
        self.integers += words;
        self.integers - words
    }

    /// The place of a float or vector, if it is on the stack.
    pub fn float(&mut self, vector: bool) -> Option<u8> {
        if self.floats < FLOATS {
            self.floats += 1;
            return None;
        }
        if vector {
            self.words = self.words.next_multiple_of(2);
        }
        Some(self.stack(if vector { 2 } else { 1 }))
    }

    /// Bytes of stack arguments.
    pub fn stack_bytes(self) -> u32 {
        8 * u32::from(self.words)
    }
}
