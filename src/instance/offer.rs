//! What an instance offers to others: its exports, as a linker holds them.

use super::memory::Linear;
use super::{Handle, Inner, Live, exception, live, read_state};
use crate::control::ControlBlock;
use crate::counted::try_collect;
use crate::error::{Error, Result, Status, error};
use crate::exception::ImportedTag;
use crate::linker::DynamicFunction;
use crate::linking::{Bounds, Offer, Offered, Owner, Place};
use crate::module::Home;
use lucet_format::image::records::{
    ExternKind, FLAG_HAS_MAXIMUM, FLAG_IMPORTED, FLAG_INDEX_64, FLAG_MUTABLE,
};
use lucet_format::value::ValueType;
use lucet_format::vmctx::{MEMORY_BYTES, MEMORY_LENGTH, TABLE_LENGTH};

/// Names every export of an instance with what a linker can make of it. `call` is what has its functions run.
///
/// # Errors
///
/// `Stale`, `WrongProcess`, `NoMemory`, and what `each` answers.
pub fn offers(
    handle: Handle,
    call: DynamicFunction,
    mut each: impl FnMut(&[u8], Offer) -> Result<()>,
) -> Result<()> {
    let (block, inner) = live(handle)?;
    let exporter = Exporter { block, inner, call };
    let image = inner.image();
    for export in image.exports().iter() {
        let what = exporter.offered(export.kind, export.index)?;
        let offer = Offer {
            provider: handle.0,
            what: what.ok_or_else(damaged)?,
        };
        each(image.bytes(export.name), offer)?;
    }
    Ok(())
}

/// Names the exports of an instance in the same order, with their number.
///
/// # Errors
///
/// `Stale`, `WrongProcess`.
pub fn names(handle: Handle, mut each: impl FnMut(usize, &[u8])) -> Result<()> {
    let (_, inner) = live(handle)?;
    let image = inner.image();
    for (index, export) in image.exports().iter().enumerate() {
        each(index, image.bytes(export.name));
    }
    Ok(())
}

fn damaged() -> Error {
    error!(Status::BadModule, "damaged module: an export of nothing")
}

struct Exporter {
    block: &'static ControlBlock,
    inner: &'static Inner,
    call: DynamicFunction,
}

impl Exporter {
    fn offered(&self, kind: u32, index: u32) -> Result<Option<Offered>> {
        match ExternKind::from_number(kind) {
            Some(ExternKind::Function) => self.function(index),
            Some(ExternKind::Table) => Ok(self.table(index)),
            Some(ExternKind::Memory) => Ok(self.memory(index)),
            Some(ExternKind::Global) => Ok(self.global(index)),
            Some(ExternKind::Tag) => self.tag(index),
            None => Ok(None),
        }
    }

    fn function(&self, index: u32) -> Result<Option<Offered>> {
        let image = self.inner.image();
        let function = image.functions().get(index as usize);
        let Some(function_type) = function
            .and_then(|function| image.function_types().get(function.function_type as usize))
        else {
            return Ok(None);
        };
        Ok(Some(Offered::Function {
            index,
            parameters: try_collect(image.parameters(&function_type), "a function type")?,
            results: try_collect(image.results(&function_type), "a function type")?,
            call: self.call,
        }))
    }

    /// The instance that defines something of this index, among those that are `imported`.
    fn owner(&self, index: u32, imported: &[Owner]) -> Option<(Owner, &'static Inner)> {
        let owner = imported.get(index as usize).copied().unwrap_or(Owner {
            block: self.block,
            index,
        });
        let inner = Live { block: owner.block }.inner().ok()?;
        Some((owner, inner))
    }

    fn memory(&self, index: u32) -> Option<Offered> {
        let (owner, inner) = self.owner(index, &self.inner.link().ok()?.shared.memories)?;
        let memory = inner.image().memories().get(owner.index as usize)?;
        let template = inner.link().ok()?.memories.get(owner.index as usize)?;
        let below = match template.home {
            Home::First => MEMORY_BYTES,
            Home::Further(_) => template.state_offset - MEMORY_LENGTH,
            Home::Imported => return None,
        };
        let place = Place {
            owner,
            base: Linear::of(owner.block, inner, owner.index)?.base,
            length: owner.block.vmctx.get() - below as usize,
        };
        Some(Offered::Memory {
            place,
            bounds: bounds(memory.flags, memory.maximum),
            page_size_log2: memory.page_size_log2,
        })
    }

    fn table(&self, index: u32) -> Option<Offered> {
        let (owner, inner) = self.owner(index, &self.inner.link().ok()?.shared.tables)?;
        let table = inner.image().tables().get(owner.index as usize)?;
        let place = Place {
            owner,
            base: 0,
            length: owner.block.vmctx.get() - (table.state_offset - TABLE_LENGTH) as usize,
        };
        Some(Offered::Table {
            place,
            bounds: bounds(table.flags, table.maximum),
            element_type: value_type(table.element_type)?,
        })
    }

    fn global(&self, index: u32) -> Option<Offered> {
        let global = self.inner.image().globals().get(index as usize)?;
        let mutable = global.flags & FLAG_MUTABLE != 0;
        let mut block = self.block;
        let mut cell = block.vmctx.get() - global.state_offset as usize;
        if mutable && global.flags & FLAG_IMPORTED != 0 {
            block = (*self.inner.link().ok()?.shared.globals.get(index as usize)?)?;
            // SAFETY: parsing has checked that globals lie within the state.
            cell = unsafe { read_state(self.block, global.state_offset) } as usize;
        }
        Some(Offered::Global {
            owner: Owner { block, index },
            cell,
            value_type: value_type(global.value_type)?,
            mutable,
        })
    }

    fn tag(&self, index: u32) -> Result<Option<Offered>> {
        let image = self.inner.image();
        let id = exception::identity(self.block, self.inner, index);
        let function_type = image
            .tags()
            .get(index as usize)
            .and_then(|tag| image.function_types().get(tag.function_type as usize));
        let Some((id, function_type)) = id.zip(function_type) else {
            return Ok(None);
        };
        let imported = self.inner.link()?.tags.get(index as usize);
        Ok(Some(Offered::Tag {
            tag: ImportedTag {
                id,
                host: imported.and_then(|tag| tag.host.clone()),
            },
            parameters: try_collect(image.parameters(&function_type), "the type of a tag")?,
        }))
    }
}

fn bounds(flags: u32, maximum: u64) -> Bounds {
    Bounds {
        maximum: (flags & FLAG_HAS_MAXIMUM != 0).then_some(maximum),
        index_64: flags & FLAG_INDEX_64 != 0,
    }
}

fn value_type(number: u32) -> Option<ValueType> {
    ValueType::from_number(u8::try_from(number).ok()?)
}
