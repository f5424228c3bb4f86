//! Imports that other instances satisfy: their types compared, and noted in [`Shared`] whose they are.
//!
//! Types are compared as <https://webassembly.github.io/spec/core/exec/modules.html#external-typing> has it, with the size that a memory
//! or table has now for its minimum: it does not shrink while it is linked to.

use super::link::Resolver;
use crate::abi::lucet_value;
use crate::context;
use crate::control::ImportTarget;
use crate::counted::Counted;
use crate::error::{Error, Result, Status, error};
use crate::linker::{Definition, DynamicFunction, Kept};
use crate::linking::{Bounds, Bridge, Offer, Offered, add, reference};
use lucet_format::image::records::{
    FLAG_HAS_MAXIMUM, FLAG_INDEX_64, FLAG_MUTABLE, FunctionType, Global, Import,
};
use lucet_format::value::ValueType;
use std::fmt;

/// The largest number of pages or elements, where a type names none.
struct Limits {
    minimum: u64,
    maximum: Option<u64>,
    index_64: bool,
}

impl Limits {
    fn of(flags: u32, minimum: u64, maximum: u64) -> Limits {
        Limits {
            minimum,
            maximum: (flags & FLAG_HAS_MAXIMUM != 0).then_some(maximum),
            index_64: flags & FLAG_INDEX_64 != 0,
        }
    }

    fn admit(&self, now: u64, bounds: &Bounds) -> bool {
        bounds.fit(now, self.minimum, self.maximum, self.index_64)
    }
}

struct Size(u64, Option<u64>);

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(most) => write!(out, "{} to {most}", self.0),
            None => write!(out, "{} or more", self.0),
        }
    }
}

impl<'a> Resolver<'a> {
    /// The row of an imported function that an instance exports. Its type is the right one.
    pub(super) fn bridge(
        &mut self,
        offer: &Offer,
        (index, call): (u32, DynamicFunction),
        import: &Import,
        function_type: &FunctionType,
    ) -> Result<ImportTarget> {
        let (taken, given) = (
            self.image.parameters(function_type),
            self.image.results(function_type),
        );
        if taken.chain(given).any(|kind| kind == ValueType::Exnref) {
            let what = format_args!("passes references to exceptions, {ALONE}");
            self.report(Status::Unsupported, import, what);
            return Ok(ImportTarget::EMPTY);
        }
        let block = self.shared.keep(offer.provider)?;
        let bridge = Counted::new(Bridge {
            block,
            function: index,
        })?;
        let row = ImportTarget {
            function: context::dynamic_thunk as *const (),
            data: Counted::as_ptr(&bridge).cast_mut().cast(),
            dynamic: call as *const (),
            ..ImportTarget::EMPTY
        };
        add(&mut self.kept, Kept::Bridge(bridge))?;
        Ok(row)
    }

    /// An imported memory.
    pub(super) fn memory(&mut self, import: &Import) -> Result<()> {
        let image = self.image;
        let memory = image.memories().get(import.index as usize);
        let memory = memory.ok_or_else(|| damaged("memory"))?;
        let limits = Limits::of(memory.flags, memory.minimum, memory.maximum);
        let wanted = Size(memory.minimum, limits.maximum);
        let Some(offer) = self.offered(import, &format_args!("a memory of {wanted} pages"))? else {
            return Ok(());
        };
        let Offered::Memory {
            place,
            bounds,
            page_size_log2,
        } = &offer.what
        else {
            self.another_kind(import, "a memory", offer.what.kind());
            return Ok(());
        };
        self.shared.keep(offer.provider)?;
        // SAFETY: the provider is kept.
        let pages = unsafe { place.length_now() } >> page_size_log2;
        if !limits.admit(pages, bounds) || *page_size_log2 != memory.page_size_log2 {
            let offered = Size(pages, bounds.maximum);
            let what = format_args!(
                "is a memory of {wanted} pages, the instance has one of {offered}, or of other pages or indices"
            );
            self.report(Status::TypeMismatch, import, what);
            return Ok(());
        }
        add(&mut self.shared.memories, place.owner)?;
        add(&mut self.memories, *place)
    }

    /// An imported table.
    pub(super) fn table(&mut self, import: &Import) -> Result<()> {
        let image = self.image;
        let table = image.tables().get(import.index as usize);
        let table = table.ok_or_else(|| damaged("table"))?;
        let limits = Limits::of(table.flags, table.minimum, table.maximum);
        let wanted = Size(table.minimum, limits.maximum);
        let Some(offer) = self.offered(import, &format_args!("a table of {wanted} elements"))?
        else {
            return Ok(());
        };
        let Offered::Table {
            place,
            bounds,
            element_type,
        } = &offer.what
        else {
            self.another_kind(import, "a table", offer.what.kind());
            return Ok(());
        };
        if *element_type == ValueType::Exnref {
            let what = format_args!("holds references to exceptions, {ALONE}");
            self.report(Status::Unsupported, import, what);
            return Ok(());
        }
        self.shared.keep(offer.provider)?;
        // SAFETY: the provider is kept.
        let length = unsafe { place.length_now() };
        let same = u32::from(element_type.number()) == table.element_type;
        if !limits.admit(length, bounds) || !same {
            let offered = Size(length, bounds.maximum);
            let what = format_args!(
                "is a table of {wanted} elements, the instance has one of {offered}, or of another type or with other indices"
            );
            self.report(Status::TypeMismatch, import, what);
            return Ok(());
        }
        add(&mut self.shared.tables, place.owner)
    }

    /// An imported mutable global: what stands for its value is the address of the owner's cell.
    pub(super) fn mutable_global(
        &mut self,
        import: &Import,
        global: &Global,
        wanted: &str,
    ) -> Result<lucet_value> {
        let nothing = lucet_value::from_bits(0, 0);
        let Some(offer) =
            self.offered(import, &format_args!("a mutable global of type {wanted}"))?
        else {
            return Ok(nothing);
        };
        self.owners(import, global, wanted, offer)
    }

    /// The value of a global that an instance exports, or the address of its cell if it is mutable.
    pub(super) fn owners(
        &mut self,
        import: &Import,
        global: &Global,
        wanted: &str,
        offer: &Offer,
    ) -> Result<lucet_value> {
        let nothing = lucet_value::from_bits(0, 0);
        let Offered::Global {
            owner,
            cell,
            value_type,
            mutable,
        } = &offer.what
        else {
            self.another_kind(import, "a global", offer.what.kind());
            return Ok(nothing);
        };
        let number = value_type.number();
        let same = u32::from(number) == global.value_type
            && *mutable == (global.flags & FLAG_MUTABLE != 0);
        if !same {
            let change = |mutable: bool| if mutable { "mutable" } else { "immutable" };
            let what = format_args!(
                "is {} global of type {wanted}, the instance has {} one of type {}",
                change(!*mutable),
                change(*mutable),
                value_type.name()
            );
            self.report(Status::TypeMismatch, import, what);
            return Ok(nothing);
        }
        if *value_type == ValueType::Exnref {
            let what = format_args!("holds a reference to an exception, {ALONE}");
            self.report(Status::Unsupported, import, what);
            return Ok(nothing);
        }
        self.shared.keep(offer.provider)?;
        if *mutable {
            self.owner = Some(owner.block);
            return Ok(lucet_value::from_bits(number, *cell as u128));
        }
        // SAFETY: the owner is kept by the provider, which is; globals are 16 bytes of its state.
        let bits = unsafe { *(*cell as *const [u64; 2]) };
        let mut bits = u128::from(bits[0]) | u128::from(bits[1]) << 64;
        if *value_type == ValueType::Funcref {
            bits = u128::from(reference::abroad(bits as u64, owner.block)?);
        }
        Ok(lucet_value::from_bits(number, bits))
    }

    /// The export of an instance that an import names; `None`: there is none, which has been reported.
    fn offered(&mut self, import: &Import, wanted: &dyn fmt::Display) -> Result<Option<&'a Offer>> {
        let (image, linker) = (self.image, self.linker);
        let found = linker.lookup(image.bytes(import.module), image.bytes(import.name))?;
        match found {
            Some(Definition::Export(offer)) => return Ok(Some(offer)),
            Some(definition) => {
                let kind = definition.kind();
                let what = format_args!("is {wanted}, the host defines {kind}");
                self.report(Status::TypeMismatch, import, what);
            }
            None => {
                let what = format_args!(
                    "is {wanted} that no instance offers: lucet_linker_define_instance"
                );
                self.report(Status::NotFound, import, what);
            }
        }
        Ok(None)
    }

    fn another_kind(&mut self, import: &Import, wanted: &str, offered: &str) {
        let what = format_args!("is {wanted}, the instance exports {offered}");
        self.report(Status::TypeMismatch, import, what);
    }
}

const ALONE: &str = "which belong to one instance";

fn damaged(what: &str) -> Error {
    error!(
        Status::BadModule,
        "damaged module: an import without a {what}"
    )
}
