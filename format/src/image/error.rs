//! What can be wrong with an image.

use super::Section;
use thiserror::Error;

/// Why a file is no module that this runtime can use. Offsets are in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Not an ELF file for this machine.
    #[error("not a Lucet module: {what} at offset {offset}")]
    NotAModule {
        /// What was expected and not found.
        what: &'static str,
        /// Where.
        offset: usize,
    },
    /// Compiled for another revision of the file layout.
    #[error(
        "the module has format revision {found}, this library reads {expected}: compile it again with the matching lucetc"
    )]
    FormatRevision {
        /// The file's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Compiled for another revision of the interface between guest code and runtime.
    #[error(
        "the module has ABI revision {found}, this library offers {expected}: compile it again with the matching lucetc"
    )]
    AbiRevision {
        /// The file's.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The file is shorter or longer than it says.
    #[error("damaged module: it says that it has {expected} bytes, but it has {found}")]
    FileSize {
        /// What there is.
        found: u64,
        /// What the header says.
        expected: u64,
    },
    /// Some byte has changed.
    #[error("damaged module: checksum {found:016x}, expected {expected:016x}")]
    Checksum {
        /// Of the file.
        found: u64,
        /// What the header says.
        expected: u64,
    },
    /// A range leads out of the file, or out of where it must lie.
    #[error("damaged module: {what} covers {offset}..{end}, which is not within {limit} bytes")]
    Range {
        /// The field.
        what: &'static str,
        /// Where it starts.
        offset: u64,
        /// Where it ends.
        end: u64,
        /// What it must lie within.
        limit: u64,
    },
    /// A field of the header has a value that cannot be.
    #[error("damaged module: {what} is {found}")]
    Header {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// A field of a record has a value that cannot be.
    #[error("damaged module: {} {index}: {field} is {found}", section.name())]
    Record {
        /// The section.
        section: Section,
        /// The record's index.
        index: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
    },
}
