//! Host functions for what a wasm32-wasi guest calls while it starts, prints and exits:
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.
//!
//! This is not WASI: there are no files, no sockets, no waiting. A guest can learn the time in microseconds, get random
//! bytes, write lines to the region's log, and exit. Everything else answers ENOSYS.
//!
//! Invariant: every address that the guest passes is checked, and a wrong one answers EFAULT. What one call may cost is bounded.

use crate::abi::{LUCET_STOP_EXIT, lucet_call, lucet_value};
use crate::call;
use crate::counted::{Counted, try_box};
use crate::error::Result;
use crate::guard;
use crate::instance::{Handle, live, memory};
use crate::linker::{Definition, DynamicData, Linker};
use lucet_format::value::ValueType;
use std::ffi::{c_int, c_void};

/// The level of lines that guests write: `LUCET_LOG_GUEST`.
pub const LOG_LEVEL: c_int = 3;

const MODULE: &[u8] = b"wasi_snapshot_preview1";

const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const EIO: u32 = 29;
const ENOSYS: u32 = 52;

/// The most bytes that one call writes or fills.
const MOST_BYTES: u32 = 64 << 10;
/// The most pieces of one `fd_write`.
const MOST_PIECES: u32 = 1024;
/// The longest piece of a log line.
const MOST_LINE: usize = 256;
/// What clocks count in, in nanoseconds: too coarse for timing a cache.
const CLOCK_STEP: u64 = 1000;

type Answer = std::result::Result<(), u32>;

/// A function: its name, its parameters (`i`: i32, `I`: i64), and what it does; `None`: ENOSYS.
type Function = (
    &'static str,
    &'static str,
    Option<fn(&Context<'_>, &[u64]) -> Answer>,
);

const FUNCTIONS: [Function; 46] = [
    (
        "args_get",
        "ii",
        Some(|context, a| context.strings(&context.state.arguments, a)),
    ),
    (
        "args_sizes_get",
        "ii",
        Some(|context, a| context.sizes(&context.state.arguments, a)),
    ),
    (
        "environ_get",
        "ii",
        Some(|context, a| context.strings(&context.state.environment, a)),
    ),
    (
        "environ_sizes_get",
        "ii",
        Some(|context, a| context.sizes(&context.state.environment, a)),
    ),
    ("clock_res_get", "ii", Some(clock_res_get)),
    ("clock_time_get", "iIi", Some(clock_time_get)),
    ("fd_advise", "iIIi", None),
    ("fd_allocate", "iII", None),
    ("fd_close", "i", None),
    ("fd_datasync", "i", None),
    ("fd_fdstat_get", "ii", Some(fd_fdstat_get)),
    ("fd_fdstat_set_flags", "ii", None),
    ("fd_fdstat_set_rights", "iII", None),
    ("fd_filestat_get", "ii", None),
    ("fd_filestat_set_size", "iI", None),
    ("fd_filestat_set_times", "iIIi", None),
    ("fd_pread", "iiiIi", None),
    // What libc asks until it is told that there are no directories; any other error makes it give up.
    ("fd_prestat_get", "ii", Some(|_, _| Err(EBADF))),
    ("fd_prestat_dir_name", "iii", Some(|_, _| Err(EBADF))),
    ("fd_pwrite", "iiiIi", None),
    ("fd_read", "iiii", None),
    ("fd_readdir", "iiiIi", None),
    ("fd_renumber", "ii", None),
    ("fd_seek", "iIii", None),
    ("fd_sync", "i", None),
    ("fd_tell", "ii", None),
    ("fd_write", "iiii", Some(fd_write)),
    ("path_create_directory", "iii", None),
    ("path_filestat_get", "iiiii", None),
    ("path_filestat_set_times", "iiiiIIi", None),
    ("path_link", "iiiiiii", None),
    ("path_open", "iiiiiIIii", None),
    ("path_readlink", "iiiiii", None),
    ("path_remove_directory", "iii", None),
    ("path_rename", "iiiiii", None),
    ("path_symlink", "iiiii", None),
    ("path_unlink_file", "iii", None),
    ("poll_oneoff", "iiii", None),
    ("proc_exit", "i", Some(proc_exit)),
    ("proc_raise", "i", None),
    ("sched_yield", "", None),
    ("random_get", "ii", Some(random_get)),
    ("sock_accept", "iii", None),
    ("sock_recv", "iiiiii", None),
    ("sock_send", "iiiii", None),
    ("sock_shutdown", "ii", None),
];

/// The one that returns nothing.
const EXIT: &str = "proc_exit";

/// What all functions of one linker share.
struct State {
    /// Each with its NUL.
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
}

/// The data of one definition.
struct Row {
    function: &'static Function,
    state: Counted<State>,
}

/// A call that is going on.
struct Context<'a> {
    call: *mut lucet_call,
    instance: Handle,
    state: &'a State,
}

/// Defines those of the functions that are not defined yet: a host's own come first, then these. Arguments and environment
/// are strings with their NUL.
///
/// # Errors
///
/// `NoMemory`; nothing is defined then.
pub fn define(
    linker: &mut Linker,
    arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
) -> Result<()> {
    let state = Counted::new(State {
        arguments,
        environment,
    })?;
    let mut added = [false; FUNCTIONS.len()];
    for (function, index) in FUNCTIONS.iter().zip(0usize..) {
        let (name, ..) = *function;
        let defined = match linker
            .lookup(MODULE, name.as_bytes())
            .map(|known| known.is_some())
        {
            Ok(true) => Ok(false),
            Ok(false) => define_one(linker, function, &state).map(|()| true),
            Err(failure) => Err(failure),
        };
        match defined {
            Ok(defined) => added[index] = defined,
            Err(failure) => {
                let mine = FUNCTIONS.iter().zip(added).filter(|(_, mine)| *mine);
                mine.for_each(|((name, ..), _)| linker.undefine(MODULE, name.as_bytes()));
                return Err(failure);
            }
        }
    }
    Ok(())
}

fn define_one(
    linker: &mut Linker,
    function: &'static Function,
    state: &Counted<State>,
) -> Result<()> {
    let (name, letters, _) = *function;
    let mut parameters = [ValueType::I32; 16];
    for (parameter, letter) in parameters.iter_mut().zip(letters.chars()) {
        *parameter = if letter == 'I' {
            ValueType::I64
        } else {
            ValueType::I32
        };
    }
    let results: &[ValueType] = if name == EXIT { &[] } else { &[ValueType::I32] };
    let data = Box::into_raw(try_box(Row {
        function,
        state: state.clone(),
    })?);
    let owned = DynamicData::new(data.cast(), Some(release));
    let owned = owned.inspect_err(|_| {
        // SAFETY: nobody has taken the data.
        drop(unsafe { Box::from_raw(data) });
    })?;
    let definition = Definition::dynamic(&parameters[..letters.len()], results, enter, owned)?;
    linker.define(MODULE, name.as_bytes(), definition)
}

unsafe extern "C" fn release(data: *mut c_void) {
    // SAFETY: made by `define_one`, and released once.
    drop(unsafe { Box::from_raw(data.cast::<Row>()) });
}

/// Every function's C function.
unsafe extern "C" fn enter(
    call: *mut lucet_call,
    data: *mut c_void,
    arguments: *const lucet_value,
    results: *mut lucet_value,
) {
    // SAFETY: the data of `define_one`, alive while a module is linked with it.
    let definition = unsafe { &*data.cast::<Row>() };
    let answer = guard::catch(|| {
        let (name, letters, run) = definition.function;
        let mut bits = [0; 16];
        for (index, bits) in bits.iter_mut().enumerate().take(letters.len()) {
            // SAFETY: the definition has this many parameters.
            *bits = unsafe { (*arguments.add(index)).bits() } as u64;
        }
        let context = Context {
            call,
            instance: call::instance(call).ok()?,
            state: &definition.state,
        };
        let answer = run.map_or(Err(ENOSYS), |run| run(&context, &bits[..letters.len()]));
        (*name != EXIT).then_some(answer)
    });
    let errno = match answer {
        Ok(None) => return,
        Ok(Some(answer)) => answer.err().unwrap_or(SUCCESS),
        Err(_) => EIO,
    };
    if definition.function.0 != EXIT {
        // SAFETY: the definition has one result.
        unsafe {
            results.write(lucet_value::from_bits(
                ValueType::I32.number(),
                u128::from(errno),
            ))
        };
    }
}

impl Context<'_> {
    fn put(&self, address: u64, bytes: &[u8]) -> Answer {
        // SAFETY: the source is a slice.
        unsafe { memory::write(self.instance, 0, address, bytes.as_ptr(), bytes.len()) }
            .map_err(|_| EFAULT)
    }

    fn put_u32(&self, address: u64, value: usize) -> Answer {
        self.put(address, &(value as u32).to_le_bytes())
    }

    fn get_u32(&self, address: u64) -> std::result::Result<u32, u32> {
        let mut bytes = [0; 4];
        // SAFETY: the destination has four bytes.
        unsafe { memory::read(self.instance, 0, address, bytes.as_mut_ptr(), 4) }
            .map_err(|_| EFAULT)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn sizes(&self, strings: &[Vec<u8>], a: &[u64]) -> Answer {
        self.put_u32(a[0], strings.len())?;
        self.put_u32(a[1], strings.iter().map(Vec::len).sum())
    }

    fn strings(&self, strings: &[Vec<u8>], a: &[u64]) -> Answer {
        let (mut pointers, mut bytes) = (a[0], a[1]);
        for string in strings {
            self.put(pointers, &(bytes as u32).to_le_bytes())?;
            self.put(bytes, string)?;
            pointers += 4;
            bytes += string.len() as u64;
        }
        Ok(())
    }

    /// A copy of guest memory would need memory; a view is fine here: nothing of the guest runs meanwhile.
    fn view(&self, address: u32, length: u32) -> std::result::Result<&[u8], u32> {
        let start = memory::view(self.instance, 0, u64::from(address), u64::from(length))
            .map_err(|_| EFAULT)?;
        // SAFETY: the range has been checked, and the guest waits for us.
        Ok(unsafe { std::slice::from_raw_parts(start, length as usize) })
    }

    fn log(&self, bytes: &[u8]) {
        let Ok((_, inner)) = live(self.instance) else {
            return;
        };
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .flat_map(|line| line.chunks(MOST_LINE));
        for piece in lines.filter(|piece| !piece.is_empty()) {
            let escaped = Escaped(piece);
            guard::outside(|| inner.region.log(LOG_LEVEL, format_args!("{escaped}")));
        }
    }
}

/// Bytes of a guest as text that can stand in a log: UTF-8 as it is, control characters and broken bytes escaped.
struct Escaped<'a>(&'a [u8]);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => out.write_str("\\\\")?,
                    _ if character.is_control() => write!(out, "\\u{{{:x}}}", character as u32)?,
                    _ => out.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn clock_id(id: u64) -> std::result::Result<libc::clockid_t, u32> {
    match id {
        0 => Ok(libc::CLOCK_REALTIME),
        1 => Ok(libc::CLOCK_MONOTONIC),
        _ => Err(EINVAL),
    }
}

fn clock_res_get(context: &Context<'_>, a: &[u64]) -> Answer {
    clock_id(a[0])?;
    context.put(a[1], &CLOCK_STEP.to_le_bytes())
}

fn clock_time_get(context: &Context<'_>, a: &[u64]) -> Answer {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is ours.
    if unsafe { libc::clock_gettime(clock_id(a[0])?, &raw mut time) } != 0 {
        return Err(EIO);
    }
    let nanoseconds = (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64);
    context.put(a[2], &(nanoseconds / CLOCK_STEP * CLOCK_STEP).to_le_bytes())
}

/// Descriptors 0, 1 and 2 are character devices that can be written to.
fn fd_fdstat_get(context: &Context<'_>, a: &[u64]) -> Answer {
    const CHARACTER_DEVICE: u8 = 2;
    const RIGHT_WRITE: u64 = 1 << 6;
    if a[0] > 2 {
        return Err(EBADF);
    }
    let mut stat = [0u8; 24];
    stat[0] = CHARACTER_DEVICE;
    stat[8..16].copy_from_slice(&RIGHT_WRITE.to_le_bytes());
    context.put(a[1], &stat)
}

fn fd_write(context: &Context<'_>, a: &[u64]) -> Answer {
    let (descriptor, pieces, count, written_at) = (a[0], a[1], a[2], a[3]);
    if !(1..=2).contains(&descriptor) {
        return Err(EBADF);
    }
    if count > u64::from(MOST_PIECES) {
        return Err(EINVAL);
    }
    let mut written = 0u32;
    for index in 0..count {
        let at = pieces + 8 * index;
        let (address, length) = (context.get_u32(at)?, context.get_u32(at + 4)?);
        let take = length.min(MOST_BYTES - written);
        // The whole piece must lie in memory, also where only a part of it is written.
        context.view(address, length)?;
        context.log(context.view(address, take)?);
        written += take;
    }
    context.put(written_at, &written.to_le_bytes())
}

fn proc_exit(context: &Context<'_>, a: &[u64]) -> Answer {
    call::terminate(context.call, LUCET_STOP_EXIT, a[0]).map_err(|_| EIO)
}

fn random_get(context: &Context<'_>, a: &[u64]) -> Answer {
    let (address, length) = (a[0], a[1]);
    if length > u64::from(MOST_BYTES) {
        return Err(EINVAL);
    }
    let target = memory::view_mut(context.instance, 0, address, length).map_err(|_| EFAULT)?;
    let mut done = 0;
    while done < length as usize {
        // SAFETY: the range has been checked, and the guest waits for us.
        let got = unsafe { libc::getrandom(target.add(done).cast(), length as usize - done, 0) };
        match usize::try_from(got) {
            Ok(got) => done += got,
            Err(_) if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            Err(_) => return Err(EIO),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_is_escaped() {
        assert_eq!(
            Escaped("grün\t\\ \u{1b}[1m".as_bytes()).to_string(),
            "grün\\u{9}\\\\ \\u{1b}[1m"
        );
        assert_eq!(Escaped(b"a\xff\xc3").to_string(), "a\\xff\\xc3");
    }

    #[test]
    fn what_the_host_defines_itself_stays() {
        let mut linker = Linker::new().expect("a linker");
        linker
            .define(
                MODULE,
                b"random_get",
                Definition::Global(lucet_value::from_bits(1, 0)),
            )
            .expect("new");
        define(&mut linker, Vec::new(), Vec::new()).expect("the others");
        let found = |name: &[u8]| {
            linker
                .lookup(MODULE, name)
                .expect("memory")
                .map(Definition::is_function)
        };
        assert_eq!(found(b"random_get"), Some(false));
        assert_eq!(found(b"args_get"), Some(true));
    }
}
