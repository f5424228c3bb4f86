//! Errors: a status for the program and a sentence for the person.
//!
//! The sentence goes straight into a buffer of the failing thread, so that an [`Error`] is as small as its status. The buffer keeps the
//! latest failure until the next one. A thread gets it at its first failure; where there is no memory for it, one sentence stands for all.
//!
//! What a guest does wrong is not an error: see [`crate::instance::outcome`].

use crate::local::PerThread;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Write};

/// What an operation answers. The numbers are `LUCET_OK` and its neighbours in `lucet.h`, and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer that must not be NULL is.
    NullArgument = 1,
    /// An argument has a value that makes no sense, or is an object of another kind.
    BadArgument = 2,
    /// `struct_size` or a reserved field of a struct is wrong.
    BadStruct = 3,
    /// The object is not in a state for this.
    BadState = 4,
    /// The instance is running.
    Running = 5,
    /// The instance trapped or was terminated, and has not been reset.
    NeedsReset = 6,
    /// The handle is of an instance that has been released.
    Stale = 7,
    /// The region was made by another process.
    WrongProcess = 8,
    /// The system has no memory left.
    NoMemory = 9,
    /// A system call failed.
    System = 10,
    /// Every slot of the region is taken.
    RegionFull = 11,
    /// More than the region or the limits allow.
    Limit = 12,
    /// No such file, export or import.
    NotFound = 13,
    /// Types differ.
    TypeMismatch = 14,
    /// The module was loaded to be looked at only.
    Unlinked = 15,
    /// Not a module, or a damaged one.
    BadModule = 16,
    /// The module needs another CPU, format, ABI or region.
    Incompatible = 17,
    /// Outside the memory or table.
    OutOfBounds = 18,
    /// Too many nested callbacks, or not allowed in one.
    Depth = 19,
    /// The signal handlers are not installed.
    NoSignals = 20,
    /// Not in this release.
    Unsupported = 21,
    /// An internal error was caught; the object can only be released.
    Poisoned = 22,
    /// Linked modules import from the instance.
    Linked = 23,
}

impl Status {
    /// Every status in order.
    pub const ALL: [Status; 24] = [
        Status::Ok,
        Status::NullArgument,
        Status::BadArgument,
        Status::BadStruct,
        Status::BadState,
        Status::Running,
        Status::NeedsReset,
        Status::Stale,
        Status::WrongProcess,
        Status::NoMemory,
        Status::System,
        Status::RegionFull,
        Status::Limit,
        Status::NotFound,
        Status::TypeMismatch,
        Status::Unlinked,
        Status::BadModule,
        Status::Incompatible,
        Status::OutOfBounds,
        Status::Depth,
        Status::NoSignals,
        Status::Unsupported,
        Status::Poisoned,
        Status::Linked,
    ];
}

/// A failure. Its sentence is [`last`] on the thread where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What to answer.
    pub status: Status,
}

/// What fallible operations of the library return.
pub type Result<T> = std::result::Result<T, Error>;

const CAPACITY: usize = 1024;

/// A sentence in a fixed buffer. What does not fit is cut at a character's end; the last byte stays NUL.
/// The bytes come first: [`last`] gives out their address.
#[repr(C)]
struct Sentence {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = CAPACITY - 1 - self.length;
        let mut take = text.len().min(room);
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

static LAST: PerThread<RefCell<Sentence>> = PerThread::new();

thread_local! {
    /// The latest failure has no sentence: there was no memory for it.
    static NO_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// Does something with this thread's buffer, which it gets if it has none. `None`: there is no memory for it.
fn with_buffer<R>(body: impl Fn(&RefCell<Sentence>) -> R) -> Option<R> {
    LAST.with(&body).or_else(|| {
        let empty = RefCell::new(Sentence {
            bytes: [0; CAPACITY],
            length: 0,
        });
        LAST.set(empty).then(|| LAST.with(&body)).flatten()
    })
}

impl Error {
    /// Records the sentence and gives the error to return.
    #[cold]
    pub fn new(status: Status, sentence: fmt::Arguments<'_>) -> Error {
        let written = with_buffer(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                last.length = 0;
                // A sentence that is too long is cut: no failure.
                let _ = last.write_fmt(sentence);
                let end = last.length;
                last.bytes[end] = 0;
            }
        });
        NO_ROOM.set(written.is_none());
        Error { status }
    }

    /// Memory ran out while doing `what`.
    #[cold]
    pub fn no_memory(what: &str) -> Error {
        Error::new(Status::NoMemory, format_args!("no memory left for {what}"))
    }

    /// The system call `call` failed; `errno` says why.
    #[cold]
    pub fn system(call: &str) -> Error {
        let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let status = if number == libc::ENOMEM {
            Status::NoMemory
        } else {
            Status::System
        };
        Error::new(status, format_args!("{call} failed: {}", Errno(number)))
    }
}

/// `error!(Status::X, "format", ...)`: an [`Error`] with its sentence.
macro_rules! error {
    ($status:expr, $($sentence:tt)*) => {
        $crate::error::Error::new($status, format_args!($($sentence)*))
    };
}
pub(crate) use error;

/// An error number with its text, written without allocating.
struct Errno(i32);

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 128];
        // SAFETY: the buffer is ours and its length is passed; the XSI strerror_r writes a NUL-terminated text.
        let failed = unsafe { libc::strerror_r(self.0, text.as_mut_ptr().cast(), text.len()) } != 0;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(0);
        match std::str::from_utf8(&text[..end]) {
            Ok(words) if !failed => write!(out, "{words} (errno {})", self.0),
            _ => write!(out, "errno {}", self.0),
        }
    }
}

/// The latest failure of this thread: a NUL-terminated sentence, empty before the first. Valid until the
/// thread's next failure or its end.
pub fn last() -> *const std::ffi::c_char {
    if NO_ROOM.get() {
        return c"no memory is left, not even for the sentence that says for what".as_ptr();
    }
    LAST.with(|last| last.as_ptr().cast::<std::ffi::c_char>().cast_const())
        .unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn sentence() -> &'static str {
        // SAFETY: the buffer is NUL-terminated and lives as long as the thread.
        unsafe { CStr::from_ptr(last()) }
            .to_str()
            .expect("sentences are UTF-8")
    }

    #[test]
    fn the_latest_failure_wins() {
        assert_eq!(error!(Status::Limit, "first {}", 1).status, Status::Limit);
        let _ = error!(Status::NotFound, "second");
        assert_eq!(sentence(), "second");
    }

    #[test]
    fn long_sentences_are_cut_at_a_character() {
        let _ = error!(Status::Limit, "{}", "é".repeat(2000));
        assert_eq!(sentence().len(), 1022);
    }

    #[test]
    fn numbers_match_their_place() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, index);
        }
    }
}
