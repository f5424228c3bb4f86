//! The few facts of the ELF container that compiler and runtime share:
//! <https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html>.
//!
//! The runtime reads just enough of it to find the image; all else in the container is for debuggers.

use super::{ImageError, PT_LUCET};
use crate::bytes::Record;

/// Bytes of an ELF64 file header.
pub const FILE_HEADER_BYTES: usize = 64;
/// Bytes of an ELF64 program header.
pub const PROGRAM_HEADER_BYTES: usize = 56;

const MAGIC: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
const ET_DYN: u8 = 3;
const EM_X86_64: u8 = 62;

/// The range of the file that the image occupies.
pub fn find_image(file: &[u8]) -> Result<std::ops::Range<usize>, ImageError> {
    find_image_in(file, file.len())
}

/// The same of a file of which only the beginning is there.
pub(super) fn find_image_in(
    file: &[u8],
    file_bytes: usize,
) -> Result<std::ops::Range<usize>, ImageError> {
    let missing = |what, offset| ImageError::NotAModule { what, offset };
    if file.len() < FILE_HEADER_BYTES || file[..MAGIC.len()] != MAGIC {
        return Err(missing("no 64-bit little-endian ELF header", 0));
    }
    if file[16..18] != [ET_DYN, 0] {
        return Err(missing("the file type is not ET_DYN", 16));
    }
    if file[18..20] != [EM_X86_64, 0] {
        return Err(missing("the machine is not x86-64", 18));
    }
    let count = usize::from(u16::from_le_bytes([file[56], file[57]]));
    let table = u64::read(&file[32..]).unwrap_or(0);
    let start =
        usize::try_from(table).map_err(|_| missing("the program headers are out of reach", 32))?;
    for index in 0..count {
        let offset = index * PROGRAM_HEADER_BYTES;
        let header = start
            .checked_add(offset)
            .and_then(|at| file.get(at..at.checked_add(PROGRAM_HEADER_BYTES)?))
            .ok_or_else(|| missing("a program header is out of reach", 32))?;
        if u32::read(header) == Some(PT_LUCET) {
            let begin = u64::read(&header[8..]).unwrap_or(u64::MAX);
            let length = u64::read(&header[32..]).unwrap_or(u64::MAX);
            return range(begin, length, file_bytes)
                .ok_or_else(|| missing("the image is out of reach", start + offset));
        }
    }
    Err(missing("no program header of type PT_LUCET", start))
}

fn range(begin: u64, length: u64, limit: usize) -> Option<std::ops::Range<usize>> {
    let end = begin.checked_add(length)?;
    if end > limit as u64 {
        return None;
    }
    Some(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
}
