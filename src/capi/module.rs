//! Modules: loading, linking, looking functions up.

use super::guard::{guarded, guarded_value};
use super::linker::lucet_linker;
use super::object::{get, give, null, prepare, release};
use super::status::lucet_status;
use super::structs::{Extensible, array, read_optional, text};
use super::types::lucet_function;
use crate::counted::Counted;
use crate::error::{Result, Status, error};
use crate::guard;
use crate::module::load::{self, Mode};
use crate::module::{CodeImage, Module};
use std::ffi::{c_char, c_int, c_void};
use std::os::fd::BorrowedFd;

/// A module: checked and mapped code, linked or only to be looked at. Any thread may use it, several at a time.
/// A module file holds native code: load only what lucetc of a matching version wrote and nobody else could change. Its
/// checksum tells damage, not malice.
pub struct lucet_module {
    _private: [u8; 0],
}

/// An exported function, looked up once. Belongs to its module, and to every module linked from that: borrowed, never released.
pub struct lucet_func {
    _private: [u8; 0],
}

/// Options of loading and linking. Start from lucet_load_options_default().
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lucet_load_options {
    /// sizeof(lucet_load_options)
    pub struct_size: usize,
    /// If not NULL: called once for each import that cannot be resolved, with a sentence that is valid during the call.
    pub problem:
        Option<unsafe extern "C" fn(data: *mut c_void, text: *const c_char, length: usize)>,
    /// The callback's first argument.
    pub data: *mut c_void,
    /// 0, or LUCET_LOAD_IN_PLACE, or both LUCET_LOAD_IN_PLACE and LUCET_LOAD_TRUSTED.
    pub flags: u32,
    /// 0.
    pub reserved0: u32,
    /// 0.
    pub reserved: [u64; 4],
}

// SAFETY: a C struct with `struct_size` first, of integers, pointers and an optional function pointer.
unsafe impl Extensible for lucet_load_options {
    const NAME: &'static str = "lucet_load_options";
    fn reserved_is_zero(&self) -> bool {
        self.reserved0 == 0 && self.reserved == [0; 4]
    }
}

/// `lucet_load_options.flags`, for files: map the file itself instead of a copy. The caller promises that the file never changes,
/// from the call on and while the module lives; if it does, the process may crash or worse. The part of the file that only backtraces
/// read is compared with its checksum by the first of them: where it is damaged, they lack names and offsets.
pub const LUCET_LOAD_IN_PLACE: u32 = 1;
/// With LUCET_LOAD_IN_PLACE: do not compare the checksum either, nor look through the lists that describe code. For hosts that know the
/// file to be as lucetc wrote it, because it was loaded before or is protected by other means: damage in its code, or in what says where
/// its functions are, goes unnoticed.
pub const LUCET_LOAD_TRUSTED: u32 = 2;

const LOAD_TRUSTED: u32 = LUCET_LOAD_IN_PLACE | LUCET_LOAD_TRUSTED;

struct Options {
    mode: Mode,
    given: Option<lucet_load_options>,
}

/// # Safety
///
/// `options` is NULL, or as [`super::structs::read`] wants it.
unsafe fn options(options: *const lucet_load_options) -> Result<Options> {
    // SAFETY: the caller's promise.
    let given = unsafe { read_optional(options) }?;
    let flags = given.map_or(0, |given| given.flags);
    let mode = match flags {
        0 => Mode::Copy,
        LUCET_LOAD_IN_PLACE => Mode::InPlace,
        LOAD_TRUSTED => Mode::Trusted,
        _ => {
            return Err(error!(
                Status::BadArgument,
                "unknown flags {flags:#x} in lucet_load_options"
            ));
        }
    };
    Ok(Options { mode, given })
}

/// # Safety
///
/// `linker` is NULL or a linker.
unsafe fn finish(
    code: &Counted<CodeImage>,
    linker: *const lucet_linker,
    options: &Options,
    out_module: *mut *mut lucet_module,
) -> Result<()> {
    if linker.is_null() {
        // SAFETY: `out_module` has been prepared.
        return unsafe { give(out_module, Module::new_unlinked(code.clone())?) };
    }
    // SAFETY: the caller's promise.
    let linker = unsafe { get(linker) }?;
    let mut report = |problem: &str| {
        if let Some((callback, data)) = options
            .given
            .and_then(|given| Some((given.problem?, given.data)))
        {
            // SAFETY: the host's callback with its own data; the text is valid for its length.
            guard::outside(|| unsafe { callback(data, problem.as_ptr().cast(), problem.len()) });
        }
    };
    let module = Module::link(code, linker, &mut report)?;
    // SAFETY: `out_module` has been prepared.
    unsafe { give(out_module, module) }
}

/// Loads a module file. With a linker it is also linked; without (NULL) it can be looked at, and linked later.
/// By default the file is copied, so it may change or go afterwards. `options` may be NULL.
/// Owner: the caller, who releases it; instances keep what they need. Errors: NULL_ARGUMENT; BAD_STRUCT; NOT_FOUND: no such file;
/// SYSTEM; BAD_MODULE: damaged, or no module; INCOMPATIBLE: for another library version or CPU; and those of lucet_module_link.
/// Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_load_file(
    path: *const c_char,
    linker: *const lucet_linker,
    options: *const lucet_load_options,
    out_module: *mut *mut lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_module, "out_module")?;
        let options = self::options(options)?;
        let code = load::file(text(path, "path")?, options.mode)?;
        finish(&code, linker, &options, out_module)
    })
}

/// As lucet_module_load_file, from an open descriptor of a regular file, which is read from its start and stays open, its position
/// as it was. Errors: also BAD_ARGUMENT: not a regular file, or no descriptor. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_load_fd(
    fd: c_int,
    linker: *const lucet_linker,
    options: *const lucet_load_options,
    out_module: *mut *mut lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_module, "out_module")?;
        let options = self::options(options)?;
        if fd < 0 {
            return Err(error!(Status::BadArgument, "{fd} is not a descriptor"));
        }
        let code = load::descriptor(BorrowedFd::borrow_raw(fd), options.mode)?;
        finish(&code, linker, &options, out_module)
    })
}

/// As lucet_module_load_file, from the content of a module file, which is copied. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_load_bytes(
    bytes: *const c_void,
    length: usize,
    linker: *const lucet_linker,
    options: *const lucet_load_options,
    out_module: *mut *mut lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_module, "out_module")?;
        let options = self::options(options)?;
        if options.mode != Mode::Copy {
            return Err(error!(
                Status::BadArgument,
                "LUCET_LOAD_IN_PLACE is for files; bytes are always copied"
            ));
        }
        let code = load::bytes(array(bytes.cast::<u8>(), length, "bytes")?)?;
        finish(&code, linker, &options, out_module)
    })
}

/// Makes a linked module from a loaded one, which may be linked itself: its code is shared, its lucet_funcs are good for both.
/// Every import must be defined with its very type; each one that is not goes to `options->problem`.
/// Owner: the caller, who releases it; `module` can be released before. Errors: NULL_ARGUMENT; BAD_STRUCT; BAD_ARGUMENT: unknown flags;
/// TYPE_MISMATCH, UNSUPPORTED (of another instance: functions, tables and globals with references to exceptions, tags that carry references to
/// functions or exceptions) or NOT_FOUND: the first of these that some import has; STALE: an instance that the linker offers has been released;
/// WRONG_PROCESS: it was made before a fork; LIMIT: the module's tables start with more than 10000000 elements; BAD_MODULE: damaged; NO_MEMORY;
/// SYSTEM. Any thread, while nobody changes the linker. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_link(
    module: *const lucet_module,
    linker: *const lucet_linker,
    options: *const lucet_load_options,
    out_module: *mut *mut lucet_module,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        prepare(out_module, "out_module")?;
        if linker.is_null() {
            return Err(null("linker"));
        }
        finish(
            &get(module)?.code,
            linker,
            &self::options(options)?,
            out_module,
        )
    })
}

/// Gives a module up. Instances of it go on. NULL is allowed. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_release(module: *mut lucet_module) {
    // SAFETY: the C contract of this function.
    let _ = guarded(|| unsafe { release(module) });
}

/// The build id in 40 hexadecimal digits: equal for equal files, else different. Also the ELF note that readelf -n shows.
/// The module's; NULL for no module, or without memory. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_build_id(module: *const lucet_module) -> *const c_char {
    // SAFETY: the C contract of this function.
    guarded_value(|| unsafe { Ok(get(module)?.code.build_id()?.as_ptr()) })
        .unwrap_or(std::ptr::null())
}

/// Which compiler made it, as "lucetc 0.1.0". The module's; NULL for no module, or without memory. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_producer(module: *const lucet_module) -> *const c_char {
    // SAFETY: the C contract of this function.
    guarded_value(|| unsafe { Ok(get(module)?.code.producer()?.as_ptr()) })
        .unwrap_or(std::ptr::null())
}

/// Looks up an exported function, for lucet_instance_call. It is the module's: valid while the module, one linked from it, or
/// an instance of these lives. Errors: NULL_ARGUMENT, NOT_FOUND, NO_MEMORY. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_func(
    module: *const lucet_module,
    name: *const c_char,
    out_func: *mut *const lucet_func,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if out_func.is_null() {
            return Err(null("out_func"));
        }
        out_func.write(std::ptr::null());
        let func = get(module)?.func(text(name, "name")?.to_bytes())?;
        out_func.write(std::ptr::from_ref(func).cast());
        Ok(())
    })
}

/// As lucet_module_func, by the export's index, as in lucet_module_export: also for names that C cannot write.
/// Errors: NULL_ARGUMENT; NOT_FOUND: there is no such export, or it is not a function; NO_MEMORY. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_func_at(
    module: *const lucet_module,
    index: usize,
    out_func: *mut *const lucet_func,
) -> lucet_status {
    // SAFETY: the C contract of this function.
    guarded(|| unsafe {
        if out_func.is_null() {
            return Err(null("out_func"));
        }
        out_func.write(std::ptr::null());
        let code = &get(module)?.code;
        // There are not nearly so many exports.
        let index_of_export = u32::try_from(index).unwrap_or(u32::MAX);
        let func = code.func_of_export(index_of_export)?.ok_or_else(|| {
            error!(
                Status::NotFound,
                "export {index} is not a function, or there is none"
            )
        })?;
        out_func.write(std::ptr::from_ref(func).cast());
        Ok(())
    })
}

/// What LUCET_FIND of lucet/typed.h uses: the typed entry of an exported function, a C function of type
/// `uint32_t (lucet_instance *, result *, parameters...)` that answers with the outcome's kind; lucet_instance_outcome has the rest:
/// which trap, or who ended the guest and why. LUCET_NOT_RUN: the guest was not entered, see lucet_last_error.
/// `types` is as in lucet_host_function. The entry is valid as long as a lucet_func would be.
/// NULL on failure, see lucet_last_error: not found, another type, more than 12 parameters or several results, not linked.
/// Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lucet_module_entry(
    module: *const lucet_module,
    name: *const c_char,
    types: u64,
) -> lucet_function {
    // SAFETY: the C contract of this function.
    let entry =
        guarded_value(|| unsafe { get(module)?.entry(text(name, "name")?.to_bytes(), types) });
    // SAFETY: the address of a stub, which is code; C converts the pointer to the function's own type before it calls.
    entry.map_or(None, |address| unsafe {
        std::mem::transmute::<usize, lucet_function>(address)
    })
}
