//! `lucetc` compiles a WebAssembly module to a native module for `liblucet`.
//!
//! ```text
//!   wasm --parse--> Module --translate--> CLIF --Cranelift--> Code --object--> ELF
//! ```
//!
//! * [`parse`] validates the input and collects what is known of it: [`module::Module`];
//! * `translate` turns the body of one function into Cranelift's intermediate representation;
//! * `optimize` improves it once Cranelift has;
//! * `stubs` are the few pieces of code that are written byte by byte;
//! * `compile` runs all of it, in parallel, and yields pieces of [`code::Code`] in a fixed order;
//! * [`bindings`] are read from a file of the host's: C is made of them, and checks in compiled code;
//! * [`object`] turns those into the file that `liblucet` loads.
//!
//! Invariants: no unsafe code; hostile input gives an [`Error`], never a panic, within limits on time and
//! memory; the same input and options give the same bytes, whatever the number of threads.

#![forbid(unsafe_code)]

mod abi;
pub mod bindings;
pub mod code;
mod compile;
mod effort;
pub mod error;
pub mod limits;
pub mod module;
pub mod object;
mod optimize;
pub mod options;
pub mod parse;
mod stubs;
pub mod target;
mod translate;
mod worth;

pub use error::{Error, Result};

use code::Code;
use lucet_format::contract::CpuFeatures;
use module::Module;
use options::{MemoryMode, Options};
use std::borrow::Cow;

/// A compiled module, before it is written to a file.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What is known of the module.
    pub module: Module,
    /// Its code: the defined functions in order, then import wrappers, adapters by type, wrappers that only calls with handlers
    /// need, import stubs, the helper stubs that are used, and typed stubs by export.
    pub code: Vec<Code>,
    /// The CPU features that the code may use.
    pub cpu_features: CpuFeatures,
    /// Whether the functions check their stack.
    pub stack_check: bool,
}

impl Compiled {
    /// Whether an instruction may use a vector register.
    pub fn uses_vectors(&self) -> bool {
        self.code.iter().any(|piece| piece.vectors)
    }
}

/// Compiles a WebAssembly module in its binary format.
pub fn compile(wasm: &[u8], options: &Options) -> Result<Compiled> {
    let target = target::Target::new(options)?;
    let mut module = parse::parse(wasm, &options.limits)?;
    if let Some(bindings) = &options.bindings {
        bindings.suit(&module)?;
        // Compiled checks are about a memory at vmctx; the runtime's are about any.
        if !module
            .memories
            .first()
            .is_some_and(|memory| memory.imported)
        {
            module.checked_imports = bindings.checked_imports(&module);
        }
    }
    if options.memory == MemoryMode::Bounds {
        module.check_bounds();
    }
    let code = compile::compile_module(&module, wasm, &target, options)?;
    Ok(Compiled {
        module,
        code,
        cpu_features: target.cpu_features,
        stack_check: options.checks_stack(),
    })
}

/// A C header with calls of a module's exports: `file` is its own name, whose first word its names in C start with, `source` the
/// module's.
pub fn exports_header(input: &[u8], options: &Options, file: &str, source: &str) -> Result<String> {
    let length = input.len() as u64;
    limits::check("bytes of the module", length, options.limits.module_bytes)?;
    let module = parse::parse(&binary(input)?, &options.limits)?;
    let none = bindings::Bindings::default();
    let bindings = options.bindings.as_ref().unwrap_or(&none);
    bindings.suit_exports(&module)?;
    let stem = file.split('.').next().unwrap_or(file);
    let name = bindings::c::identifier(stem);
    Ok(bindings::c::exports_header(
        &module, bindings, &name, file, source,
    ))
}

/// Compiles a module in binary or text format to the file that `liblucet` loads.
pub fn compile_module(input: &[u8], options: &Options) -> Result<Vec<u8>> {
    let length = input.len() as u64;
    limits::check("bytes of the module", length, options.limits.module_bytes)?;
    let wasm = binary(input)?;
    object::write(&compile(&wasm, options)?, &wasm)
}

/// The binary format of a module that may be in the text format. Offsets in errors are in the binary format.
pub fn binary(input: &[u8]) -> Result<Cow<'_, [u8]>> {
    // The first byte of the binary format is one that no text starts with.
    if input.first() == Some(&0) {
        return Ok(Cow::Borrowed(input));
    }
    let length = input.len() as u64;
    if length > parse::MAX_INPUT_BYTES {
        return Err(Error::Limit {
            what: "bytes of the module",
            actual: length,
            limit: parse::MAX_INPUT_BYTES,
        });
    }
    let text = std::str::from_utf8(input).map_err(|error| Error::Invalid {
        offset: error.valid_up_to() as u64,
        message: "neither the binary format, which starts with a zero byte, nor UTF-8 text"
            .to_owned(),
    })?;
    let wasm = wat::parse_str(text).map_err(|error| Error::Text(one_line(&error)))?;
    Ok(Cow::Owned(wasm))
}

/// The parser's message and place, without the picture it draws over several lines.
fn one_line(error: &wat::Error) -> String {
    let drawing = error.to_string();
    let message = drawing.lines().next().unwrap_or_default();
    let message = message.split(" at <anon>:").next().unwrap_or_default();
    let place = drawing
        .split("<anon>:")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    match place.and_then(|place| place.split_once(':')) {
        Some((line, column)) => format!("{message} at line {line}, column {column}"),
        None => message.to_owned(),
    }
}
