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
