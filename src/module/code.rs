//! A checked, mapped module file.
//!
//! ```text
//!   base                 text                       behind text
//!   +--------------------+--------------------------+-----------------------+
//!   | R: image, rodata   | R-X: code                | R: runtime table,     |  symbols and what else is in the file
//!   | (the file)         | (the file)               | ours, not the file's  |  are not mapped
//!   +--------------------+--------------------------+-----------------------+
//! ```
//!
//! Loading looks at a copy of the file's first bytes, which it keeps: where all short lists are there, it touches no page of the mapping, and
//! so there is none to be put into page tables, and taken out again in the end. The parts are mapped before anything is looked at, for the
//! same reason.
//!
//! Invariants: nothing here is writable once [`CodeImage::new`] has returned, and no page is writable and executable
//! at any time. Signal handlers call [`CodeImage::image`], so it neither allocates nor locks.

use super::short::Short;
use super::{cpu, reading, runtime_page};
use crate::context::ByHandle;
use crate::counted::try_collect;
use crate::error::{Error, Result, Status, error};
use crate::mapping::Mapping;
use lucet_format::PAGE_SIZE;
use lucet_format::image::records::{ExternKind, FLAG_NO_VECTORS, FunctionType};
use lucet_format::image::{Image, ImageError, ImageIndex, Integrity, NONE, Summer, Sums};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// How a C caller's pointer to a [`Func`] is told from other pointers.
pub const FUNC_TAG: u64 = 0x636e_7546_7465_634c;

/// An exported function. Lives in its [`CodeImage`], so that C can hold its address.
#[derive(Debug)]
#[repr(C)]
pub struct Func {
    /// [`FUNC_TAG`]; 0 in the places of exports that are not functions.
    pub tag: u64,
    /// Where the module's file is mapped: tells modules apart.
    pub base: usize,
    /// Its index in the function index space.
    pub function: u32,
    /// Its index among the exports.
    pub export: u32,
    /// What calls from C need.
    pub by_handle: ByHandle,
    /// What the short way in needs; `None`: there is none.
    pub short: Option<Short>,
}

/// Of [`CodeImage::aside`].
const UNKNOWN: u8 = 0;
const SOUND: u8 = 1;
const DAMAGED: u8 = 2;

/// See the file's header.
pub struct CodeImage {
    index: ImageIndex,
    mapping: Mapping,
    /// The file's first bytes.
    head: Vec<u8>,
    /// Whether what is aside in the file is as it was written: [`UNKNOWN`] until somebody asks, who compares its checksum.
    aside: AtomicU8,
    /// Parallel to the image's exports. This and what follows is made when somebody asks for it.
    funcs: OnceLock<Vec<Func>>,
    /// Hexadecimal and NUL.
    build_id: OnceLock<Vec<u8>>,
    /// With NUL at the end.
    producer: OnceLock<Vec<u8>>,
}

impl CodeImage {
    /// Checks and maps a file of `file_bytes` bytes that will not change.
    ///
    /// # Errors
    ///
    /// `BadModule`: damaged or no module; `Incompatible`: of another format, ABI or CPU; `NoMemory`; `System`.
    pub fn new(file: BorrowedFd<'_>, file_bytes: usize, integrity: Integrity) -> Result<CodeImage> {
        let head = reading::head(file, file_bytes)?;
        let index = ImageIndex::of_head(&head, file_bytes).map_err(refused)?;
        let mapping = map(file, &index)?;
        let code = CodeImage {
            index,
            mapping,
            head,
            aside: AtomicU8::new(match integrity {
                Integrity::AsideLater => UNKNOWN,
                _ => SOUND,
            }),
            funcs: OnceLock::new(),
            build_id: OnceLock::new(),
            producer: OnceLock::new(),
        };
        code.check(file, file_bytes, integrity)?;
        Ok(code)
    }

    fn check(&self, file: BorrowedFd<'_>, file_bytes: usize, integrity: Integrity) -> Result<()> {
        let sum = match integrity {
            Integrity::Verify | Integrity::AsideLater => {
                Some(self.sum(file, file_bytes, integrity)?)
            }
            Integrity::Summed(sum) => Some(sum),
            Integrity::Trust => None,
        };
        if let Some(sum) = sum {
            self.index.check_sum(sum).map_err(refused)?;
        }
        cpu::check(self.index.header().cpu_features)?;
        self.index.check(&self.image(), integrity).map_err(refused)
    }

    /// The file's checksums: of what is mapped of it, and what is not.
    fn sum(&self, file: BorrowedFd<'_>, file_bytes: usize, integrity: Integrity) -> Result<Sums> {
        let mut sum = Summer::new(&self.head, file_bytes).map_err(refused)?;
        if integrity == Integrity::AsideLater {
            sum = sum.without_aside();
        }
        let (text, length) = self.text();
        let length = text + length - self.base();
        // SAFETY: so much of the file is mapped readable, and does not change.
        let mapped = unsafe { std::slice::from_raw_parts(self.base() as *const u8, length) };
        // What has been read before must be what is summed up.
        let both = self.head.len().min(length);
        if self.head.get(..both) != mapped.get(..both) {
            return Err(error!(
                Status::BadModule,
                "the module's file changed while it was loaded"
            ));
        }
        sum.add(mapped);
        reading::each_piece(file, length..file_bytes, |_, piece| {
            sum.add(piece);
            Ok(())
        })?;
        Ok(sum.finish())
    }

    /// The image.
    pub fn image(&self) -> Image<'_> {
        let records = self.index.header().text.offset as usize;
        let first = self.mapping.base() as *const u8;
        // SAFETY: what is before the text is mapped readable for as long as `self` lives, and never changes: it is of a sealed copy, or the
        // host has promised it.
        let records = unsafe { std::slice::from_raw_parts(first, records) };
        self.index.view_with_head(records, &self.head)
    }

    /// The image, for who wants to know where instructions come from and what functions are called. `None`: that is damaged.
    pub fn positions(&self) -> Option<Image<'_>> {
        let image = self.image();
        let known = match self.aside.load(Ordering::Relaxed) {
            UNKNOWN => {
                let found = if image.aside_is_sound() {
                    SOUND
                } else {
                    DAMAGED
                };
                self.aside.store(found, Ordering::Relaxed);
                found
            }
            known => known,
        };
        (known == SOUND).then_some(image)
    }

    /// Whether an instruction of the text may use a vector register.
    pub fn uses_vectors(&self) -> bool {
        uses_vectors(&self.index)
    }

    /// Where the file is mapped.
    pub fn base(&self) -> usize {
        self.mapping.base()
    }

    /// Address and length of the text.
    pub fn text(&self) -> (usize, usize) {
        let text = self.index.header().text;
        (self.base() + text.offset as usize, text.length as usize)
    }

    /// The build id in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn build_id(&self) -> Result<&CStr> {
        let text = once(&self.build_id, || hexadecimal(self.image().build_id()))?;
        Ok(CStr::from_bytes_until_nul(text).unwrap_or(c""))
    }

    /// The compiler that made the file.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn producer(&self) -> Result<&CStr> {
        let text = once(&self.producer, || {
            terminated(self.image().bytes(self.index.header().producer))
        })?;
        Ok(CStr::from_bytes_until_nul(text).unwrap_or(c""))
    }

    /// The function that an export is, if it is one.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn func_of_export(&self, export: u32) -> Result<Option<&Func>> {
        let funcs = once(&self.funcs, || self.list_funcs())?;
        let func = funcs.get(export as usize);
        Ok(func.filter(|func| func.tag == FUNC_TAG))
    }

    /// An exported function by name.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NoMemory`.
    pub fn func(&self, name: &[u8]) -> Result<&Func> {
        let export = self.image().export(name);
        match export {
            Some((index, _)) => self.func_of_export(index as u32)?.ok_or_else(|| {
                let kind = export.map_or("nothing", |(_, export)| super::kind_name(export.kind));
                error!(
                    Status::NotFound,
                    "the export \"{}\" is a {kind}, not a function",
                    name.escape_ascii()
                )
            }),
            None => Err(error!(
                Status::NotFound,
                "the module exports no function \"{}\"",
                name.escape_ascii()
            )),
        }
    }

    /// The type of a function of this module.
    ///
    /// # Errors
    ///
    /// `NotFound` for another module's.
    pub fn type_of(&self, func: &Func) -> Result<FunctionType> {
        let image = self.image();
        let function = image
            .function(func.function)
            .filter(|_| func.base == self.base());
        let found = function
            .and_then(|function| image.function_types().get(function.function_type as usize));
        found.ok_or_else(|| error!(Status::NotFound, "the function belongs to another module"))
    }

    fn list_funcs(&self) -> Result<Vec<Func>> {
        let base = self.base();
        let funcs = self
            .image()
            .exports()
            .iter()
            .enumerate()
            .map(|(index, export)| {
                let is_function = export.kind == ExternKind::Function as u32;
                let tag = if is_function { FUNC_TAG } else { 0 };
                let short = is_function
                    .then(|| Short::of(self, export.index, index as u32, export.stub))
                    .flatten();
                let by_handle = short.as_ref().map(Short::by_handle);
                Func {
                    tag,
                    base,
                    function: if is_function { export.index } else { NONE },
                    export: index as u32,
                    by_handle: by_handle.unwrap_or_else(|| ByHandle::new(None, &[], &[])),
                    short,
                }
            });
        try_collect(funcs, "the list of exported functions")
    }
}

/// Maps a file up to the page behind its text, and puts our addresses into the runtime table: on a page that is not the file's.
fn map(file: BorrowedFd<'_>, index: &ImageIndex) -> Result<Mapping> {
    let header = index.header();
    let (text, text_length) = (header.text.offset as usize, header.text.length as usize);
    let table_page = text + text_length;
    let mapping = Mapping::of_code(file, table_page + PAGE_SIZE as usize, text)?;
    // The index says that the table lies in this page, with all its entries.
    let place = header.runtime_table.offset as usize - table_page;
    runtime_page::map(&mapping, table_page, place, uses_vectors(index))?;
    Ok(mapping)
}

fn uses_vectors(index: &ImageIndex) -> bool {
    index.header().flags & FLAG_NO_VECTORS == 0
}

fn refused(problem: ImageError) -> Error {
    let status = match problem {
        ImageError::FormatRevision { .. } | ImageError::AbiRevision { .. } => Status::Incompatible,
        _ => Status::BadModule,
    };
    error!(status, "{problem}")
}

/// What is kept, or what `make` makes to be kept. Made outside of the cell: of two threads that make it at once, one has made it for nothing,
/// and a process that is forked meanwhile finds nobody at work in it.
fn once<T>(kept: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match kept.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(kept.get_or_init(|| made))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> Result<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| {
        [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]
    });
    try_collect(digits.chain([0]), "a build id")
}

fn terminated(text: &[u8]) -> Result<Vec<u8>> {
    let printable = text
        .iter()
        .map(|byte| if byte.is_ascii_graphic() { *byte } else { b' ' });
    try_collect(printable.chain([0]), "the producer's name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{memory_file, write_at};
    use std::os::fd::AsFd;

    /// As if a file had been written to between the first look at it and the sum.
    #[test]
    fn what_was_read_first_is_what_is_summed_up() {
        let text = br#"(module (func (export "f")))"#;
        let content = lucetc::compile_module(text, &lucetc::options::Options::default())
            .expect("the guest compiles");
        let file = memory_file(c"module", 0).expect("memory");
        write_at(file.as_fd(), 0, &content).expect("written");
        for integrity in [Integrity::AsideLater, Integrity::Verify] {
            let file = file.as_fd();
            let mut code = CodeImage::new(file, content.len(), integrity).expect("a module");
            for at in [0, code.head.len() / 2, code.head.len() - 1] {
                code.head[at] ^= 1;
                let refused = code.check(file, content.len(), integrity);
                assert_eq!(refused.expect_err("two files").status, Status::BadModule);
                code.head[at] ^= 1;
            }
            assert!(code.check(file, content.len(), integrity).is_ok());
        }
    }
}
