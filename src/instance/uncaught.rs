//! What the host sees of an exception that nobody has caught.
//!
//! It stays in the instance's arena until the instance is kept or reset.

use super::outcome::{Record, latest};
use super::{Handle, Inner, live};
use crate::abi::{LUCET_TRAPPED, lucet_value};
use crate::control::ControlBlock;
use crate::error::{Error, Result, Status, error};
use crate::exception::{HostTag, TagId};
use lucet_format::image::records::ExternKind;
use lucet_format::trap::TrapCode;
use std::sync::atomic::Ordering;

/// An exception as the host sees it.
pub struct Uncaught<'a> {
    /// The tag, when it is one of the host's.
    pub host_tag: Option<&'a HostTag>,
    /// The tag's index in the module; `u32::MAX`: it has none.
    pub index: u32,
    /// The name by which the module exports the tag, or imports it from the host.
    pub name: Option<&'a str>,
    /// What it carries: the instance's until its next entry.
    pub values: (*const lucet_value, usize),
}

/// The exception that the latest entry ended with.
///
/// # Errors
///
/// `NotFound`: it has ended in another way; `Running` is for the caller to know; `Stale`, `WrongProcess`, `NoMemory`.
pub fn uncaught(handle: Handle) -> Result<Uncaught<'static>> {
    let (block, inner) = live(handle)?;
    let none = || {
        error!(
            Status::NotFound,
            "the latest entry has not ended with an exception that nobody caught"
        )
    };
    let reference = reference(&latest(block, inner)).ok_or_else(none)?;
    let arena = inner.exceptions.try_borrow().map_err(|_| none())?;
    let exception = arena.get(reference).ok_or_else(none)?;
    let (index, host_tag) = find(block, inner, exception.tag());
    let image = inner.image();
    let declared = image.tags().get(index as usize);
    let function_type =
        declared.and_then(|tag| image.function_types().get(tag.function_type as usize));
    // SAFETY: the owner of the instance alone uses this, and is here.
    let values = unsafe { &mut *inner.carried.get() };
    values.clear();
    values
        .try_reserve(exception.values().len())
        .map_err(|_| Error::no_memory("the values of an exception"))?;
    let types = function_type.iter().flat_map(|kind| image.parameters(kind));
    values.extend(
        exception
            .values()
            .iter()
            .zip(types)
            .map(|(bits, kind)| lucet_value::from_bits(kind.number(), *bits)),
    );
    Ok(Uncaught {
        host_tag,
        index,
        name: name(inner, index),
        values: (values.as_ptr(), values.len()),
    })
}

/// The reference to the exception that an entry has ended with.
pub(crate) fn reference(record: &Record) -> Option<u64> {
    let exception = u32::from(TrapCode::Exception.number());
    let uncaught = record.kind == LUCET_TRAPPED && record.detail == exception && record.token != 0;
    uncaught.then_some(record.token)
}

/// The index of a tag in the module, and the tag if it is the host's.
fn find(
    block: &ControlBlock,
    inner: &'static Inner,
    tag: TagId,
) -> (u32, Option<&'static HostTag>) {
    if let Some(index) = tag.index_in(block.handle.load(Ordering::Relaxed)) {
        return (index, None);
    }
    let imported = inner.link().map_or(&[][..], |link| link.tags.as_slice());
    let found = (0u32..).zip(imported).find(|(_, known)| known.id == tag);
    found.map_or((u32::MAX, None), |(index, known)| {
        (index, known.host.as_deref())
    })
}

/// The name that a tag has for the outside.
pub(super) fn name(inner: &'static Inner, index: u32) -> Option<&'static str> {
    let image = inner.image();
    let is_it = |kind: u32, at: u32| kind == ExternKind::Tag as u32 && at == index;
    let export = image
        .exports()
        .iter()
        .find(|export| is_it(export.kind, export.index));
    let import = || {
        image
            .imports()
            .iter()
            .find(|import| is_it(import.kind, import.index))
    };
    let name = export
        .map(|export| export.name)
        .or_else(|| import().map(|import| import.name))?;
    Some(image.text(name))
}

/// The index of the tag of the exception that the latest entry has ended with.
pub(super) fn tag_of(block: &ControlBlock, inner: &'static Inner, record: &Record) -> Option<u32> {
    let arena = inner.exceptions.try_borrow().ok()?;
    let exception = arena.get(reference(record)?)?;
    Some(find(block, inner, exception.tag()).0)
}
