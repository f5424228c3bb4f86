//! Where a module's file comes from: a path, a descriptor, or bytes.
//!
//! Code that could change after it has been checked would be worth nothing, so by default the file is copied into
//! memory of the kernel that nobody can change any more (a sealed memfd), and mapped from there. It passes through a buffer
//! of ours on the way, where the checksum is computed: of the very bytes that are written. A host that keeps its files unchangeable by
//! other means saves the copy with [`Mode::InPlace`].

use super::{CodeImage, reading};
use crate::counted::Counted;
use crate::error::{Error, Result, Status, error};
use crate::mapping::{memory_file, seal_file, write_at};
use lucet_format::image::{Integrity, MAX_FILE_BYTES, Summer};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How a file is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Copy it.
    #[default]
    Copy,
    /// Map the file itself. The caller promises that it never changes.
    InPlace,
    /// The same, without comparing the checksum: the caller knows that the file is as it was written.
    Trusted,
}

/// Loads a file by its path.
///
/// # Errors
///
/// `NotFound`, `System`, and as [`bytes`].
pub fn file(path: &CStr, mode: Mode) -> Result<Counted<CodeImage>> {
    // A path that leads to a pipe must not make the caller wait.
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the path is a C string.
    let number = unsafe { libc::open(path.as_ptr(), flags) };
    if number < 0 {
        let missing = std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT);
        if missing {
            return Err(error!(
                Status::NotFound,
                "there is no file \"{}\"",
                path.to_bytes().escape_ascii()
            ));
        }
        return Err(Error::system("open of a module"));
    }
    // SAFETY: just opened, and nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    self::descriptor(descriptor.as_fd(), mode)
}

/// Loads the file that a descriptor refers to, from its first byte. The descriptor stays the caller's, its position
/// as it is.
///
/// # Errors
///
/// `BadArgument` when it is not a regular file; `System`, and as [`bytes`].
pub fn descriptor(descriptor: BorrowedFd<'_>, mode: Mode) -> Result<Counted<CodeImage>> {
    let length = size_of_file(descriptor)?;
    match mode {
        Mode::InPlace => Counted::new(CodeImage::new(descriptor, length, Integrity::AsideLater)?),
        Mode::Trusted => Counted::new(CodeImage::new(descriptor, length, Integrity::Trust)?),
        Mode::Copy => {
            let copy = memory_file(c"lucet-module", 0)?;
            let integrity = copy_file(descriptor, copy.as_fd(), length)?;
            seal_file(copy.as_fd())?;
            Counted::new(CodeImage::new(copy.as_fd(), length, integrity)?)
        }
    }
}

/// Loads a file's content.
///
/// # Errors
///
/// `BadModule`, `Incompatible`, `NoMemory`, `System`.
pub fn bytes(content: &[u8]) -> Result<Counted<CodeImage>> {
    check_size(content.len() as u64)?;
    let copy = memory_file(c"lucet-module", 0)?;
    put(copy.as_fd(), 0, content)?;
    seal_file(copy.as_fd())?;
    Counted::new(CodeImage::new(
        copy.as_fd(),
        content.len(),
        Integrity::Verify,
    )?)
}

fn size_of_file(descriptor: BorrowedFd<'_>) -> Result<usize> {
    // SAFETY: all-zero bytes are a value of this C struct.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, the struct is ours.
    if unsafe { libc::fstat(descriptor.as_raw_fd(), &raw mut status) } != 0 {
        if std::io::Error::last_os_error().raw_os_error() == Some(libc::EBADF) {
            return Err(error!(
                Status::BadArgument,
                "{} is no open descriptor",
                descriptor.as_raw_fd()
            ));
        }
        return Err(Error::system("fstat of a module"));
    }
    if status.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(error!(
            Status::BadArgument,
            "a module is a regular file; this is something else"
        ));
    }
    check_size(u64::try_from(status.st_size).unwrap_or(0))
}

fn check_size(length: u64) -> Result<usize> {
    if length == 0 || length > MAX_FILE_BYTES {
        return Err(error!(
            Status::BadModule,
            "not a Lucet module: a file of {length} bytes, a module has 1 to {MAX_FILE_BYTES}"
        ));
    }
    Ok(length as usize)
}

/// Copies the first `length` bytes of a file. Answers their checksums, if they can be a module's.
fn copy_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, length: usize) -> Result<Integrity> {
    let mut sum = None;
    reading::each_piece(from, 0..length, |offset, piece| {
        if offset == 0 {
            sum = Summer::new(piece, length).ok();
        }
        if let Some(sum) = &mut sum {
            sum.add(piece);
        }
        put(to, offset, piece)
    })?;
    // What is no module is looked at when it is all there, and says what is wrong.
    Ok(sum.map_or(Integrity::Verify, |sum| Integrity::Summed(sum.finish())))
}

fn put(to: BorrowedFd<'_>, offset: usize, content: &[u8]) -> Result<()> {
    write_at(to, offset as u64, content).map_err(|()| Error::system("copying a module"))
}
