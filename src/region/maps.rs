//! What is mapped in this process, from `/proc/self/maps`: <https://docs.kernel.org/filesystems/proc.html>.

use crate::error::{Error, Result};
use crate::mapping::Access;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Lines have a path of at most 4096 bytes.
const WINDOW: usize = 16 << 10;

/// One mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// The first address.
    pub start: usize,
    /// One past the last one.
    pub end: usize,
    /// What it allows, if that is something that we ever ask for. Private mappings only.
    pub access: Option<Access>,
    /// Whether pages come from a file.
    pub is_file: bool,
}

/// Calls `each` with every mapping, ascending.
///
/// # Errors
///
/// `System`: the file cannot be read; `NoMemory`.
pub(super) fn visit(mut each: impl FnMut(Area)) -> Result<()> {
    let path = c"/proc/self/maps";
    // SAFETY: opens a file by a C string.
    let number = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if number < 0 {
        return Err(Error::system("opening /proc/self/maps"));
    }
    // SAFETY: just opened, and nobody else's.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    let mut window = [0u8; WINDOW];
    let mut held = 0;
    loop {
        let room = &mut window[held..];
        // SAFETY: the window has as much room.
        let got = unsafe { libc::read(file.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
        let got = usize::try_from(got).map_err(|_| Error::system("reading /proc/self/maps"))?;
        if got == 0 {
            return Ok(());
        }
        held += got;
        let whole = window[..held].iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |last| last + 1);
        window[..whole]
            .split(|byte| *byte == b'\n')
            .filter_map(parse)
            .for_each(&mut each);
        window.copy_within(whole..held, 0);
        held -= whole;
    }
}

/// `start-end rwxp offset device inode path`
fn parse(line: &[u8]) -> Option<Area> {
    let mut fields = std::str::from_utf8(line.get(..line.len().min(100))?)
        .or_else(|cut| std::str::from_utf8(&line[..cut.valid_up_to()]))
        .ok()?
        .split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let access = match fields.next()? {
        "---p" => Some(Access::None),
        "r--p" => Some(Access::Read),
        "rw-p" => Some(Access::ReadWrite),
        "r-xp" => Some(Access::ReadExecute),
        _ => None,
    };
    Some(Area {
        start: usize::from_str_radix(start, 16).ok()?,
        end: usize::from_str_radix(end, 16).ok()?,
        access,
        is_file: fields.nth(2)? != "0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Mapping;

    #[test]
    fn own_mappings_are_found() {
        let page = lucet_format::PAGE_SIZE as usize;
        let mapping = Mapping::reserve(3 * page, page).expect("memory");
        mapping.protect(page, page, Access::Read).expect("memory");
        let (base, mut found) = (mapping.base(), Vec::new());
        visit(|area| {
            if (base..base + 3 * page).contains(&area.start) {
                found.push((area.start - base, area.access, area.is_file));
            }
        })
        .expect("the kernel says");
        // Neighbours may have been joined with the first or the last page.
        assert!(found.contains(&(page, Some(Access::Read), false)));
        assert!(found.contains(&(2 * page, Some(Access::None), false)));
    }

    #[test]
    fn lines_are_understood() {
        let line = b"7f00-7f10 r-xp 00001000 fe:00 1234    /lib/\xff strange";
        let area = parse(line).expect("a mapping");
        assert_eq!((area.start, area.end, area.is_file), (0x7f00, 0x7f10, true));
        assert_eq!(area.access, Some(Access::ReadExecute));
        assert_eq!(parse(b""), None);
        assert_eq!(
            parse(b"1000-2000 rw-s 0 00:00 0").and_then(|area| area.access),
            None
        );
    }
}
