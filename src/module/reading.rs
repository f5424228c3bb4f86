//! Reads files from descriptors, whose positions stay as they are: [`head`], and piece by piece.
//!
//! Invariant: a file that is shorter than it was said to be is an error. Nothing here maps it.

use crate::error::{Error, Result, Status, error};
use lucet_format::image::HEAD_BYTES;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes that are read at a time: they stay in the cache until they have been used.
const PIECE: usize = 64 << 10;

/// The first [`HEAD_BYTES`] of a file of `length` bytes, or all of it.
///
/// # Errors
///
/// `BadModule`: it is shorter; `NoMemory`, `System`.
pub(super) fn head(from: BorrowedFd<'_>, length: usize) -> Result<Vec<u8>> {
    let length = length.min(HEAD_BYTES);
    let mut head = buffer(length)?;
    while head.len() < length {
        let offset = head.len();
        read(from, offset, length - offset, &mut head)?;
    }
    Ok(head)
}

/// Hands out a range of a file in pieces, with their offsets.
///
/// # Errors
///
/// As [`head`], and the first that `piece` answers.
pub(super) fn each_piece(
    from: BorrowedFd<'_>,
    range: Range<usize>,
    mut piece: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut bytes = buffer(range.len().min(PIECE))?;
    let mut offset = range.start;
    while offset < range.end {
        bytes.clear();
        read(from, offset, range.end - offset, &mut bytes)?;
        piece(offset, &bytes)?;
        offset += bytes.len();
    }
    Ok(())
}

fn buffer(length: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(length)
        .map_err(|_| Error::no_memory("reading a module"))?;
    Ok(buffer)
}

/// Reads at most so many bytes of a file, at least one, behind what is in a buffer that is not full, and no more than it has room for.
fn read(from: BorrowedFd<'_>, offset: usize, most: usize, to: &mut Vec<u8>) -> Result<()> {
    let room = to.spare_capacity_mut();
    let most = most.min(room.len());
    loop {
        // SAFETY: the descriptor is open, the buffer has room for `most` bytes.
        let read = unsafe {
            libc::pread(
                from.as_raw_fd(),
                room.as_mut_ptr().cast(),
                most,
                offset as libc::off_t,
            )
        };
        match usize::try_from(read) {
            Ok(0) => {
                return Err(error!(
                    Status::BadModule,
                    "the module's file became shorter while it was read"
                ));
            }
            Ok(read) => {
                let length = to.len() + read.min(most);
                // SAFETY: the kernel has written so many bytes, no more than there is room for.
                unsafe { to.set_len(length) };
                return Ok(());
            }
            Err(_) if interrupted() => {}
            Err(_) => return Err(Error::system("reading a module")),
        }
    }
}

/// Whether the last system call has been interrupted.
fn interrupted() -> bool {
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}
