//! A checked, mapped module file.
//!
//! ```text
//!   base                 text                       behind text             end of file
//!   +--------------------+--------------------------+-----------------------+-----------------+
//!   | R: image, rodata   | R-X: code                | R: runtime table,     | R: symbols      |
//!   | (the file)         | (the file)               | ours, not the file's  | (the file)      |
//!   +--------------------+--------------------------+-----------------------+-----------------+
//! ```
//!
//! Invariants: nothing here is writable once [`CodeImage::new`] has returned, and no page is writable and executable
//! at any time. Signal handlers call [`CodeImage::image`], so it neither allocates nor locks.

use super::short::Short;
use super::{cpu, runtime_page};
use crate::context::ByHandle;
use crate::counted::try_collect;
use crate::error::{Result, Status, error};
use crate::mapping::{Access, Mapping};
use lucet_format::PAGE_SIZE;
use lucet_format::image::records::{ExternKind, FLAG_NO_VECTORS, FunctionType};
use lucet_format::image::{Image, ImageError, ImageIndex, Integrity, NONE};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

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

/// See the file's header.
pub struct CodeImage {
    index: ImageIndex,
    mapping: Mapping,
    file_bytes: usize,
    /// Parallel to the image's exports.
    funcs: Vec<Func>,
    /// Hexadecimal and NUL.
    build_id: Vec<u8>,
    /// With NUL at the end.
    producer: Vec<u8>,
}

impl CodeImage {
    /// Checks and maps a file of `file_bytes` bytes that will not change.
    ///
    /// # Errors
    ///
    /// `BadModule`: damaged or no module; `Incompatible`: of another format, ABI or CPU; `NoMemory`; `System`.
    pub fn new(file: BorrowedFd<'_>, file_bytes: usize, integrity: Integrity) -> Result<CodeImage> {
        let mapping = map(file, file_bytes)?;
        // SAFETY: the file is mapped readable while `mapping` lives, and does not change.
        let bytes = unsafe { std::slice::from_raw_parts(mapping.base() as *const u8, file_bytes) };
        let index = check(bytes, integrity)?;
        cpu::check(index.header().cpu_features)?;
        prepare(&mapping, &index, file)?;
        let mut code = CodeImage {
            index,
            mapping,
            file_bytes,
            funcs: Vec::new(),
            build_id: Vec::new(),
            producer: Vec::new(),
        };
        code.funcs = code.list_funcs()?;
        code.build_id = hexadecimal(code.image().build_id())?;
        code.producer = terminated(code.image().bytes(code.index.header().producer))?;
        Ok(code)
    }

    /// The image.
    pub fn image(&self) -> Image<'_> {
        self.index.view(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the whole file is mapped readable for as long as `self` lives, and never changes: it is a sealed copy, or the
        // host has promised it.
        unsafe { std::slice::from_raw_parts(self.mapping.base() as *const u8, self.file_bytes) }
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
    pub fn build_id(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.build_id).unwrap_or(c"")
    }

    /// The compiler that made the file.
    pub fn producer(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.producer).unwrap_or(c"")
    }

    /// The function that an export is.
    pub fn func_of_export(&self, export: u32) -> Option<&Func> {
        self.funcs
            .get(export as usize)
            .filter(|func| func.tag == FUNC_TAG)
    }

    /// An exported function by name.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn func(&self, name: &[u8]) -> Result<&Func> {
        let export = self.image().export(name);
        match export {
            Some((index, _)) => self.func_of_export(index as u32).ok_or_else(|| {
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
            .functions()
            .get(func.function as usize)
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

/// Maps the whole file to be read, with a page more, in case the file ends where the runtime table's page would be.
fn map(file: BorrowedFd<'_>, file_bytes: usize) -> Result<Mapping> {
    let page = PAGE_SIZE as usize;
    Mapping::of_file(file, file_bytes.next_multiple_of(page) + page)
}

fn uses_vectors(index: &ImageIndex) -> bool {
    index.header().flags & FLAG_NO_VECTORS == 0
}

fn check(bytes: &[u8], integrity: Integrity) -> Result<ImageIndex> {
    ImageIndex::parse(bytes, integrity).map_err(|problem| {
        let status = match problem {
            ImageError::FormatRevision { .. } | ImageError::AbiRevision { .. } => {
                Status::Incompatible
            }
            _ => Status::BadModule,
        };
        error!(status, "{problem}")
    })
}

/// Makes the text executable, and puts our addresses into the runtime table, on a page that is not the file's.
fn prepare(mapping: &Mapping, index: &ImageIndex, file: BorrowedFd<'_>) -> Result<()> {
    let header = index.header();
    let (text, text_length) = (header.text.offset as usize, header.text.length as usize);
    let table_page = text + text_length;
    // A mapping of its own: hardened processes refuse to make pages executable that were not from the start.
    mapping.map_file(text, text_length, Access::ReadExecute, file, text as u64)?;
    // Parsing has checked that the table lies in this page, with all its entries.
    let place = header.runtime_table.offset as usize - table_page;
    runtime_page::map(mapping, table_page, place, uses_vectors(index))
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
