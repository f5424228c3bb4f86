//! The only place that maps, protects and discards memory.
//!
//! Invariants: a [`Mapping`] owns its address range until it is dropped; protections change only within it.
//! What lies in the memory is the caller's business: this file hands out addresses, not references.

use crate::error::{Error, Result, Status, error};
use lucet_format::PAGE_SIZE;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What may be done with pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

impl Access {
    const fn bits(self) -> i32 {
        match self {
            Access::None => libc::PROT_NONE,
            Access::Read => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// A range of address space of our own.
#[derive(Debug)]
pub struct Mapping {
    base: usize,
    length: usize,
}

impl Mapping {
    /// Reserves `length` bytes of address space that nothing may be done with, aligned to `align` (a power of
    /// two of at least a page). Costs no memory.
    pub fn reserve(length: usize, align: usize) -> Result<Mapping> {
        let page = PAGE_SIZE as usize;
        let slack = if align > page { align } else { 0 };
        let Some(padded) = length.checked_add(slack) else {
            return Err(error!(
                Status::Limit,
                "{length} bytes of address space cannot be reserved"
            ));
        };
        let start = new(padded, Access::None, ZEROS, None)?;
        let base = start.next_multiple_of(align.max(page));
        let mapping = Mapping { base, length };
        release(start, base - start);
        release(base + length, start + padded - base - length);
        Ok(mapping)
    }

    /// Maps the first `length` bytes of a file, whole pages, to be read. The file may end before: pages behind its end are there, but
    /// nobody can look at them.
    pub fn of_file(file: BorrowedFd<'_>, length: usize) -> Result<Mapping> {
        let base = new(length, Access::Read, libc::MAP_PRIVATE, Some(file))?;
        Ok(Mapping { base, length })
    }

    /// The same of a file whose code, from `code` on, may be run; what is before may only be read. The pages before were never written to
    /// when they lose the permission, so processes that may not make pages executable can do this.
    pub fn of_code(file: BorrowedFd<'_>, length: usize, code: usize) -> Result<Mapping> {
        let base = new(length, Access::ReadExecute, libc::MAP_PRIVATE, Some(file))?;
        let mapping = Mapping { base, length };
        mapping.protect(0, code, Access::Read)?;
        Ok(mapping)
    }

    /// As [`Mapping::of_file`], so that [`Mapping::map_again`] takes it. The file is one that [`seal_shared_file`] has sealed: child
    /// processes share the memory.
    pub fn of_shared_file(file: BorrowedFd<'_>, length: usize) -> Result<Mapping> {
        let base = new(length, Access::Read, libc::MAP_SHARED, Some(file))?;
        Ok(Mapping { base, length })
    }

    /// Maps `length` bytes of zeros, whole pages, that can be written.
    pub fn of_zeros(length: usize) -> Result<Mapping> {
        let base = new(length, Access::ReadWrite, ZEROS, None)?;
        Ok(Mapping { base, length })
    }

    /// The first address.
    pub fn base(&self) -> usize {
        self.base
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn inside(&self, offset: usize, length: usize) -> Result<usize> {
        let page = PAGE_SIZE as usize;
        let end = offset.checked_add(length);
        let aligned = offset.is_multiple_of(page) && length.is_multiple_of(page);
        if !aligned || end.is_none_or(|end| end > self.length) {
            return Err(error!(
                Status::BadArgument,
                "pages {offset:#x}..+{length:#x} are not within a mapping of {:#x} bytes",
                self.length
            ));
        }
        Ok(self.base + offset)
    }

    /// Changes what may be done with a range of whole pages.
    pub fn protect(&self, offset: usize, length: usize, access: Access) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let at = self.inside(offset, length)?;
        // SAFETY: the range is ours, as `inside` has checked.
        let failed = unsafe { libc::mprotect(at as *mut _, length, access.bits()) } != 0;
        if failed {
            Err(Error::system("mprotect"))
        } else {
            Ok(())
        }
    }

    /// Maps a range of a file over a range of pages. The pages keep the file's content if it never changes.
    pub fn map_file(
        &self,
        offset: usize,
        length: usize,
        access: Access,
        file: BorrowedFd<'_>,
        at: u64,
    ) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let address = self.inside(offset, length)?;
        let Ok(at) = libc::off_t::try_from(at) else {
            return Err(error!(Status::BadArgument, "file offset {at} is too large"));
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: the range is ours, so MAP_FIXED replaces nothing of anybody else's.
        let done = unsafe {
            libc::mmap(
                address as *mut _,
                length,
                access.bits(),
                flags,
                file.as_raw_fd(),
                at,
            )
        };
        if done == libc::MAP_FAILED {
            Err(Error::system("mmap of a module"))
        } else {
            Ok(())
        }
    }

    /// Maps what `source` maps over a range of pages, too, of the same length and with the same access. `source` is a
    /// [`Mapping::of_shared_file`].
    pub fn map_again(&self, offset: usize, source: &Mapping) -> Result<()> {
        let address = self.inside(offset, source.length)?;
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let (from, to) = (
            source.base as *mut libc::c_void,
            address as *mut libc::c_void,
        );
        // SAFETY: the range is ours, so MREMAP_FIXED replaces nothing of anybody else's; with an old length of 0 the source stays.
        let done = unsafe { libc::mremap(from, 0, source.length, flags, to) };
        if done == libc::MAP_FAILED {
            return Err(Error::system("mremap"));
        }
        Ok(())
    }

    /// Maps a file's beginning over a range of pages, to be read, until [`Mapping::protect`] allows writing: what is written
    /// then stays here.
    ///
    /// Writable at once would be one system call less, but the kernel must count such pages where it does not overcommit
    /// memory, and older kernels refuse only after they have unmapped what was there: anybody's next mapping could be put in a gap
    /// that guests reach.
    pub fn map_private(&self, offset: usize, length: usize, file: BorrowedFd<'_>) -> Result<()> {
        self.map_file(offset, length, Access::Read, file, 0)?;
        self.keep_range_private(offset, length);
        Ok(())
    }

    /// Makes a range of pages new address space that nothing may be done with, and has nothing of what was there.
    pub fn renew(&self, offset: usize, length: usize) -> Result<()> {
        self.map_zeros(offset, length, Access::None)?;
        self.keep_range_private(offset, length);
        Ok(())
    }

    /// Maps zeros over a range of pages.
    pub fn map_zeros(&self, offset: usize, length: usize, access: Access) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let at = self.inside(offset, length)?;
        let flags = ZEROS | libc::MAP_FIXED;
        // SAFETY: the range is ours, so MAP_FIXED replaces nothing of anybody else's.
        let done = unsafe { libc::mmap(at as *mut _, length, access.bits(), flags, -1, 0) };
        if done == libc::MAP_FAILED {
            return Err(Error::system("mmap of pages"));
        }
        Ok(())
    }

    /// Gives the memory of a range of pages back: they read as zero again, or as the file that is mapped there. False: the kernel
    /// refuses for some of them, because the process locks its memory; those are as they were.
    pub fn give_back(&self, offset: usize, length: usize) -> Result<bool> {
        if length == 0 {
            return Ok(true);
        }
        let at = self.inside(offset, length)?;
        // SAFETY: the range is ours; callers hold no references into it, only addresses.
        Ok(unsafe { libc::madvise(at as *mut _, length, libc::MADV_DONTNEED) } == 0)
    }

    /// Makes a range of pages read as zero again and gives their memory back.
    ///
    /// In a process that locks its memory (`mlockall`) the kernel refuses; then the bytes are overwritten.
    /// The pages must be readable and writable.
    ///
    /// # Safety
    ///
    /// Nobody holds a reference into the range.
    pub unsafe fn discard(&self, offset: usize, length: usize) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let at = self.inside(offset, length)?;
        // SAFETY: the range is ours, and the caller promises that nobody looks.
        let refused = unsafe { libc::madvise(at as *mut _, length, libc::MADV_DONTNEED) } != 0;
        if refused {
            // SAFETY: as above; the caller promises that the pages can be written.
            unsafe { std::ptr::write_bytes(at as *mut u8, 0, length) };
        }
        Ok(())
    }

    /// Keeps the range out of core dumps and of child processes, and free of huge pages, of which a guest that writes a byte
    /// would dirty two megabytes. Best effort: older kernels may not know it.
    pub fn keep_private(&self) {
        self.keep_range_private(0, self.length);
    }

    /// Makes the pages read as zero in the child of a fork.
    ///
    /// # Errors
    ///
    /// `System` on a kernel without `MADV_WIPEONFORK` (before 4.14).
    pub fn wipe_on_fork(&self) -> Result<()> {
        // SAFETY: advice on a range of ours that changes nothing in this process.
        let failed =
            unsafe { libc::madvise(self.base as *mut _, self.length, libc::MADV_WIPEONFORK) } != 0;
        if failed {
            return Err(Error::system("madvise(MADV_WIPEONFORK)"));
        }
        Ok(())
    }

    fn keep_range_private(&self, offset: usize, length: usize) {
        if length == 0 {
            return;
        }
        for advice in [
            libc::MADV_DONTDUMP,
            libc::MADV_DONTFORK,
            libc::MADV_NOHUGEPAGE,
        ] {
            // SAFETY: advice on a range of ours that changes nothing in this process.
            unsafe { libc::madvise((self.base + offset) as *mut _, length, advice) };
        }
    }

    /// Forgets the range without unmapping it: it is not mapped in this process, or somebody else's by now.
    pub fn abandon(&mut self) {
        self.length = 0;
    }
}

/// Changes what may be done with pages, at once and from anywhere. Async-signal-safe.
///
/// # Safety
///
/// The pages are a part of a [`Mapping`] whose owner expects the change.
pub unsafe fn protect_now(address: usize, length: usize, access: Access) -> bool {
    // SAFETY: the caller's promise.
    unsafe { libc::mprotect(address as *mut _, length, access.bits()) == 0 }
}

/// A file in the kernel's memory, `length` zeros long.
///
/// # Errors
///
/// `NoMemory`, `System`.
pub fn memory_file(name: &CStr, length: usize) -> Result<OwnedFd> {
    /// Since Linux 6.3: code may be mapped from it also where the default is otherwise.
    const MFD_EXEC: libc::c_uint = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let make = |flags| unsafe { libc::memfd_create(name.as_ptr(), flags) };
    let made = [flags | MFD_EXEC, flags]
        .into_iter()
        .map(make)
        .find(|number| *number >= 0);
    let Some(number) = made else {
        return Err(Error::system("memfd_create"));
    };
    // SAFETY: just made, and nobody else's.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: the descriptor is open.
    if length > 0 && unsafe { libc::ftruncate(file.as_raw_fd(), length as libc::off_t) } != 0 {
        return Err(Error::system("ftruncate"));
    }
    Ok(file)
}

/// Makes sure that nobody changes a memory file any more.
///
/// # Errors
///
/// `NoMemory`, `System`.
pub fn seal_file(file: BorrowedFd<'_>) -> Result<()> {
    seal(file, libc::F_SEAL_WRITE)
}

/// The same for a file of which there will be shared mappings: they cannot become writable.
///
/// # Errors
///
/// `System`: also on a kernel without this seal (before 5.1); `NoMemory`.
pub fn seal_shared_file(file: BorrowedFd<'_>) -> Result<()> {
    seal(file, libc::F_SEAL_FUTURE_WRITE)
}

fn seal(file: BorrowedFd<'_>, writing: i32) -> Result<()> {
    let seals = writing | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(Error::system("sealing a file in memory"));
    }
    Ok(())
}

/// Writes all of `bytes` at a place of a file. The error is in `errno`.
pub fn write_at(file: BorrowedFd<'_>, at: u64, bytes: &[u8]) -> std::result::Result<(), ()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let offset = (at + done as u64).cast_signed();
        // SAFETY: the descriptor is open, the bytes are readable.
        let written =
            unsafe { libc::pwrite(file.as_raw_fd(), rest.as_ptr().cast(), rest.len(), offset) };
        match usize::try_from(written) {
            Ok(written) => done += written,
            Err(_) if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            Err(_) => return Err(()),
        }
    }
    Ok(())
}

/// Flags of mappings of zeros.
const ZEROS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

/// A new mapping, of a file's beginning or of zeros, where the kernel likes.
fn new(length: usize, access: Access, flags: i32, file: Option<BorrowedFd<'_>>) -> Result<usize> {
    let number = file.map_or(-1, |file| file.as_raw_fd());
    let anywhere = std::ptr::null_mut();
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let at = unsafe { libc::mmap(anywhere, length, access.bits(), flags, number, 0) };
    if at == libc::MAP_FAILED {
        return Err(Error::system(match file {
            Some(_) => "mmap of a file",
            None => "mmap of address space",
        }));
    }
    Ok(at as usize)
}

fn release(at: usize, length: usize) {
    if length > 0 {
        // SAFETY: only called for ranges that the caller owns and gives up.
        unsafe { libc::munmap(at as *mut _, length) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        release(self.base, self.length);
    }
}
