//! An instance's tables: where their elements are, growth, and the host's access to exported ones.
//!
//! ```text
//!   table area of the slot    | table 0 .... | table 1 .... | table 2 ......... | free ...... |
//! ```
//!
//! Tables lie next to each other in the order of their index. One that grows pushes the later ones up; guest
//! code reads base and length from the descriptors in the state each time, so it notices.
//!
//! Imported tables are their owner's, as are the references in them: see [`crate::linking::reference`].
//!
//! Descriptors are in memory beside the guest's: [`Elements::of`] checks them against the slot before use.

use super::{Handle, Inner, Limits, Live, read_state, settled, write_state};
use crate::abi::lucet_value;
use crate::control::ControlBlock;
use crate::error::{Status, error};
use crate::instance::run::check_value;
use crate::linking::reference;
use crate::module::TableTemplate;
use crate::region::slot;
use lucet_format::image::records::ExternKind;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use lucet_format::vmctx::{TABLE_BASE, TABLE_ELEMENT_BYTES, TABLE_LENGTH};

type Result<T, E = crate::error::Error> = std::result::Result<T, E>;

const ELEMENT: usize = TABLE_ELEMENT_BYTES as usize;

/// The elements of a table at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Elements {
    /// Address of element 0.
    pub base: *mut u64,
    /// How many.
    pub length: u64,
    /// Another instance, whose table it is, if it holds references to functions: as that instance has them.
    pub foreign: Option<&'static ControlBlock>,
}

impl Elements {
    /// The elements of a table, or `None` when there is no such table or its descriptor has been damaged.
    pub fn of(block: &ControlBlock, inner: &Inner, index: u32) -> Option<Elements> {
        if let Some((owner, owners, own)) = owner(inner, index) {
            let functions = inner.image().tables().get(index as usize)?.element_type
                == u32::from(ValueType::Funcref.number());
            return Some(Elements {
                foreign: functions.then_some(owner),
                ..Elements::of(owner, owners, own)?
            });
        }
        let template = template(inner, index)?;
        // SAFETY: linking takes descriptor places from the image, and parsing has checked that they lie within the state.
        let base = unsafe { read_state(block, template.state_offset - TABLE_BASE) };
        // SAFETY: as above.
        let length = unsafe { read_state(block, template.state_offset - TABLE_LENGTH) };
        let area = slot::tables(&inner.region, block) as u64;
        let capacity = inner.region.layout.sizes.table_elements;
        let first = base.checked_sub(area)? / ELEMENT as u64;
        let sound = base.is_multiple_of(ELEMENT as u64) && first.checked_add(length)? <= capacity;
        sound.then_some(Elements {
            base: base as *mut u64,
            length,
            foreign: None,
        })
    }

    /// An element of the table's as the instance has it that looks at it.
    pub fn outward(&self, viewer: &ControlBlock, element: u64) -> Result<u64, TrapCode> {
        match self.foreign {
            Some(owner) => reference::carry(element, owner, viewer).map_err(|_| TrapCode::Resource),
            None => Ok(element),
        }
    }

    /// An element that an instance has, as the table holds it.
    pub fn inward(&self, viewer: &ControlBlock, element: u64) -> Result<u64, TrapCode> {
        match self.foreign {
            Some(owner) => reference::carry(element, viewer, owner).map_err(|_| TrapCode::Resource),
            None => Ok(element),
        }
    }

    /// An element.
    pub fn get(&self, index: u64) -> Option<u64> {
        // SAFETY: below the length, and `of` has checked that the elements lie within the slot's table area.
        (index < self.length).then(|| unsafe { *self.base.add(index as usize) })
    }

    /// Changes an element; `None`: there is none.
    pub fn set(&self, index: u64, element: u64) -> Option<()> {
        // SAFETY: as above.
        (index < self.length).then(|| unsafe { *self.base.add(index as usize) = element })
    }

    /// A range of elements, as an address; `None`: out of bounds.
    pub fn range(&self, from: u64, length: u64) -> Option<*mut u64> {
        let end = from.checked_add(length)?;
        (end <= self.length).then(|| self.base.wrapping_add(from as usize))
    }
}

/// The instance whose table an imported one is, and the table's index there; `None`: it is not imported.
fn owner(inner: &Inner, index: u32) -> Option<(&'static ControlBlock, &'static Inner, u32)> {
    let owner = *inner.link().ok()?.shared.tables.get(index as usize)?;
    let owners = Live { block: owner.block }.inner().ok()?;
    Some((owner.block, owners, owner.index))
}

fn template(inner: &Inner, index: u32) -> Option<&TableTemplate> {
    let imported = inner.image().tables().len() - inner.link().ok()?.tables.len();
    inner
        .link()
        .ok()?
        .tables
        .get((index as usize).checked_sub(imported)?)
}

/// Bytes of the table area that the instance may have written.
pub(super) fn used_bytes(block: &ControlBlock, inner: &Inner) -> usize {
    let count = inner.image().tables().len() as u32;
    let area = slot::tables(&inner.region, block);
    let imported = inner.link().map_or(0, |link| link.shared.tables.len()) as u32;
    let ends = (imported..count).map(|index| match Elements::of(block, inner, index) {
        Some(elements) => elements.base as usize + elements.length as usize * ELEMENT - area,
        // A damaged descriptor says nothing: clean everything.
        None if template(inner, index).is_some() => {
            inner.region.layout.sizes.table_elements as usize * ELEMENT
        }
        None => 0,
    });
    ends.max().unwrap_or(0)
}

/// Grows a table, new elements being `element`. Answers the old length; `None`: refused, and nothing has changed.
pub(crate) fn grow_by(
    block: &ControlBlock,
    inner: &Inner,
    index: u32,
    delta: u64,
    element: u64,
) -> Option<u64> {
    let elements = Elements::of(block, inner, index)?;
    if let Some((owner, owners, own)) = owner(inner, index) {
        let element = elements.inward(block, element).ok()?;
        return grow_by(owner, owners, own, delta, element);
    }
    let template = template(inner, index)?;
    let new = elements.length.checked_add(delta)?;
    let used = (used_bytes(block, inner) / ELEMENT) as u64;
    let most = Limits::within(
        inner.limits.get().table_elements,
        inner.region.config.table_elements,
    );
    if delta > 0 && (new > template.maximum || used.checked_add(delta)? > most) {
        return None;
    }
    let end = elements.base.wrapping_add(elements.length as usize);
    let area = slot::tables(&inner.region, block) as *mut u64;
    let behind = area.wrapping_add(used as usize);
    let later = (behind as usize - end as usize) / ELEMENT;
    // SAFETY: everything from `end` to `behind`, and `delta` elements more, lies within the slot's table area: `used + delta`
    // is at most what the region offers.
    unsafe { end.add(delta as usize).copy_from(end, later) };
    for offset in 0..delta as usize {
        // SAFETY: as above.
        unsafe { end.add(offset).write(element) };
    }
    push_up(block, inner, index, delta);
    // SAFETY: the descriptor's place has been checked by parsing.
    unsafe { write_state(block, template.state_offset - TABLE_LENGTH, new) };
    Some(elements.length)
}

/// Moves the descriptors of the tables behind one that has grown.
fn push_up(block: &ControlBlock, inner: &Inner, index: u32, delta: u64) {
    let count = inner.image().tables().len() as u32;
    for later in (index + 1)..count {
        if let Some(template) = template(inner, later) {
            // SAFETY: the descriptor's place has been checked by parsing.
            unsafe {
                let base = read_state(block, template.state_offset - TABLE_BASE);
                write_state(
                    block,
                    template.state_offset - TABLE_BASE,
                    base + delta * ELEMENT as u64,
                );
            }
        }
    }
}

struct Exported {
    index: u32,
    elements: Elements,
    element_type: ValueType,
}

fn find(block: &ControlBlock, inner: &Inner, name: &[u8]) -> Result<Exported> {
    let image = inner.image();
    let export = image
        .export(name)
        .filter(|(_, export)| export.kind == ExternKind::Table as u32);
    let found = export.and_then(|(_, export)| {
        let table = image.tables().get(export.index as usize)?;
        let element_type = ValueType::from_number(u8::try_from(table.element_type).ok()?)?;
        let elements = Elements::of(block, inner, export.index)?;
        Some(Exported {
            index: export.index,
            elements,
            element_type,
        })
    });
    found.ok_or_else(|| {
        error!(
            Status::NotFound,
            "the module exports no table \"{}\"",
            name.escape_ascii()
        )
    })
}

fn refused(_: TrapCode) -> crate::error::Error {
    crate::error::Error::no_memory("a reference to another instance's function")
}

fn outside(index: u64, length: u64) -> crate::error::Error {
    error!(
        Status::OutOfBounds,
        "element {index} of a table of {length}"
    )
}

fn check_element(inner: &Inner, element_type: ValueType, value: &lucet_value) -> Result<()> {
    if value.r#type != u32::from(element_type.number()) {
        return Err(error!(
            Status::TypeMismatch,
            "the table holds {}, the value has type number {}",
            element_type.name(),
            value.r#type
        ));
    }
    check_value(inner, element_type, value)
}

/// The length of an exported table.
///
/// # Errors
///
/// `NotFound`, `Stale`, `WrongProcess`.
pub fn size(handle: Handle, name: &[u8]) -> Result<u64> {
    let (block, inner) = settled(handle)?;
    Ok(find(block, inner, name)?.elements.length)
}

/// An element of an exported table.
///
/// # Errors
///
/// `OutOfBounds`, `NotFound`, `Stale`, `WrongProcess`.
pub fn get(handle: Handle, name: &[u8], index: u64) -> Result<lucet_value> {
    let (block, inner) = settled(handle)?;
    let table = find(block, inner, name)?;
    let element = table
        .elements
        .get(index)
        .ok_or_else(|| outside(index, table.elements.length))?;
    let element = table.elements.outward(block, element).map_err(refused)?;
    Ok(lucet_value::from_bits(
        table.element_type.number(),
        u128::from(element),
    ))
}

/// Changes an element of an exported table.
///
/// # Errors
///
/// `OutOfBounds`, `TypeMismatch`, `BadArgument` (a reference that is not the instance's), `NotFound`, `Stale`, `WrongProcess`.
pub fn set(handle: Handle, name: &[u8], index: u64, value: &lucet_value) -> Result<()> {
    let (block, inner) = settled(handle)?;
    let table = find(block, inner, name)?;
    check_element(inner, table.element_type, value)?;
    let element = table.elements.inward(block, value.bits() as u64);
    table
        .elements
        .set(index, element.map_err(refused)?)
        .ok_or_else(|| outside(index, table.elements.length))
}

/// Grows an exported table, and answers the old length.
///
/// # Errors
///
/// `Limit`, and as [`set`].
pub fn grow(handle: Handle, name: &[u8], delta: u64, value: &lucet_value) -> Result<u64> {
    let (block, inner) = settled(handle)?;
    let table = find(block, inner, name)?;
    check_element(inner, table.element_type, value)?;
    grow_by(block, inner, table.index, delta, value.bits() as u64).ok_or_else(|| {
        error!(
            Status::Limit,
            "a table of {} elements cannot grow by {delta}: maximum, region or limits do not allow it",
            table.elements.length
        )
    })
}
