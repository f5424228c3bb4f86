//! Modules: a file of native code, checked and mapped ([`code`]), and, once linked, everything that its instances
//! start from ([`link`]).
//!
//! ```text
//!   file, descriptor, bytes --load--> CodeImage --link(linker)--> Module --instance::create--> instance
//!                                        |  shared by every module that is linked from it
//!                                        +--> Module without a link: to be looked at
//! ```
//!
//! Invariants: a [`CodeImage`] never changes after loading; a [`Link`] never changes after linking, and its import table
//! is read-only memory. Both live as long as somebody counts them; instances do.
//!
//! It does not run anything and does not know regions.

pub mod code;
mod cpu;
mod initial;
pub mod link;
mod linked;
pub mod load;
mod reading;
mod rows;
mod runtime_page;
pub mod short;
pub mod signature;
mod tags;
mod template;

pub use code::{CodeImage, Func};
pub use initial::InitialMemory;
pub use link::Link;
pub use template::{Elsewhere, Home, MemoryTemplate, TableTemplate};

use crate::counted::Counted;
use crate::error::{Error, Result, Status, error};
use crate::linker::Linker;
use lucet_format::image::NONE;
use lucet_format::image::records::ExternKind;

/// A module as the host holds it.
pub struct Module {
    /// Its file.
    pub code: Counted<CodeImage>,
    /// What linking has prepared; `None`: the module is only to be looked at.
    pub link: Option<Link>,
}

impl Module {
    /// A module that can be looked at, but has no instances.
    ///
    /// # Errors
    ///
    /// `NoMemory`.
    pub fn new_unlinked(code: Counted<CodeImage>) -> Result<Counted<Module>> {
        Counted::new_lendable(Module { code, link: None })
    }

    /// Resolves every import. Each one that cannot be resolved is a sentence for `problem`.
    ///
    /// # Errors
    ///
    /// `TypeMismatch`, `Unsupported` or `NotFound`: the first of these that some import has; `Limit`, `NoMemory`, `System`.
    pub fn link(
        code: &Counted<CodeImage>,
        linker: &Linker,
        problem: &mut dyn FnMut(&str),
    ) -> Result<Counted<Module>> {
        let link = Link::new(code, linker, problem)?;
        Counted::new_lendable(Module {
            code: code.clone(),
            link: Some(link),
        })
    }

    /// An exported function.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn func(&self, name: &[u8]) -> Result<&Func> {
        self.code.func(name)
    }

    /// The address of an exported function's typed stub, when `types` ([`signature::unpack`]) are the function's.
    ///
    /// # Errors
    ///
    /// `Unlinked`, `NotFound`, `TypeMismatch`, `BadArgument`.
    pub fn entry(&self, name: &[u8], types: u64) -> Result<usize> {
        if self.link.is_none() {
            return Err(unlinked());
        }
        let func = self.func(name)?;
        let image = self.code.image();
        let wanted = signature::unpack(types)?;
        let actual = self.code.type_of(func)?;
        if !wanted.is(&image, &actual) {
            return Err(error!(
                Status::TypeMismatch,
                "\"{}\" is of type {}, the host calls it as {wanted}",
                name.escape_ascii(),
                signature::Display::new(&image, &actual)
            ));
        }
        let export = image
            .exports()
            .get(func.export as usize)
            .filter(|export| export.stub != NONE);
        let stub = export.map(|export| self.code.text().0 + export.stub as usize);
        stub.ok_or_else(|| {
            error!(
                Status::NotFound,
                "\"{}\" has no typed entry",
                name.escape_ascii()
            )
        })
    }
}

/// The word for an extern kind's number.
pub(crate) fn kind_name(kind: u32) -> &'static str {
    ExternKind::from_number(kind).map_or("something unknown", ExternKind::name)
}

/// The error for modules that were loaded to be looked at.
#[cold]
pub fn unlinked() -> Error {
    error!(
        Status::Unlinked,
        "the module was loaded without a linker: link it before making instances or finding entries"
    )
}
