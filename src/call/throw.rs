//! Exceptions that a host function throws. The guest goes on in a handler when the host function returns, which then
//! returns nothing.

use super::{block_of, narrow};
use crate::abi::{lucet_call, lucet_value};
use crate::control::{ControlBlock, Request, state};
use crate::error::{Error, Result, Status, error};
use crate::exception::HostTag;
use crate::instance::exception::{self, Failure};
use crate::instance::outcome::latest;
use crate::instance::run::check_value;
use crate::instance::uncaught;
use crate::instance::{Inner, Live};
use lucet_format::image::records::ExternKind;
use lucet_format::trap::TrapCode;

/// Throws an exception with a tag of the host's, which the guest's module imports.
///
/// # Errors
///
/// `BadArgument`: it does not import the tag, or a reference is not the instance's; `TypeMismatch`: the values; `BadState`: in a
/// leaf, or when something else has been asked for or thrown; `Limit`: no room for another exception, with which the guest traps.
pub fn throw(call: *const lucet_call, tag: *const HostTag, values: &[lucet_value]) -> Result<()> {
    let (block, inner) = able(call)?;
    let imported = (0u32..).zip(&inner.link()?.tags);
    let found = imported
        .filter(|(_, known)| known.id.is_of_host(tag))
        .map(|(index, _)| index)
        .next();
    let index = found.ok_or_else(|| {
        error!(
            Status::BadArgument,
            "the guest's module does not import this tag, so nothing in it could catch the exception by it"
        )
    })?;
    throw_with(block, inner, index, values)
}

/// Throws an exception with a tag that the guest's module exports.
///
/// # Errors
///
/// `NotFound`: it exports none of this name; else as [`throw`].
pub fn throw_export(call: *const lucet_call, name: &[u8], values: &[lucet_value]) -> Result<()> {
    let (block, inner) = able(call)?;
    let export = inner.image().export(name);
    let export = export.filter(|(_, export)| export.kind == ExternKind::Tag as u32);
    let (_, export) = export.ok_or_else(|| {
        error!(
            Status::NotFound,
            "the module exports no tag \"{}\"",
            name.escape_ascii()
        )
    })?;
    throw_with(block, inner, export.index, values)
}

/// Throws the exception again that nobody caught in a callback, which has ended the callback and would end the guest.
///
/// # Errors
///
/// `BadState`: no callback has ended so, or the guest has been allowed to go on.
pub fn rethrow(call: *const lucet_call) -> Result<()> {
    let block = block_of(call)?;
    let inner = Live { block }.inner()?;
    let reference = uncaught::reference(&latest(block, inner));
    let (Request::Unwind, Some(reference)) = (block.request.get(), reference) else {
        return Err(error!(
            Status::BadState,
            "no callback has just ended with an exception that nobody caught"
        ));
    };
    block.take_request();
    send(block, inner, reference)
}

/// Whether an exception is on its way, so that this host function's call has no other end any more.
pub(crate) fn has_thrown(inner: &Inner) -> bool {
    inner
        .exceptions
        .try_borrow()
        .is_ok_and(|arena| arena.is_thrown())
}

/// The calling instance, if its host function may throw.
fn able(call: *const lucet_call) -> Result<(&'static ControlBlock, &'static Inner)> {
    let block = block_of(call)?;
    let inner = Live { block }.inner()?;
    if block.state() == state::LEAF {
        return Err(error!(
            Status::BadState,
            "a leaf host function cannot throw"
        ));
    }
    if block.request.get() != Request::None || has_thrown(inner) {
        return Err(error!(
            Status::BadState,
            "the guest's end or suspension has been asked for, or an exception has been thrown, already"
        ));
    }
    Ok((block, inner))
}

fn throw_with(block: &ControlBlock, inner: &Inner, tag: u32, values: &[lucet_value]) -> Result<()> {
    let image = inner.image();
    let declared = image.tags().get(tag as usize);
    let function_type =
        declared.and_then(|tag| image.function_types().get(tag.function_type as usize));
    let function_type =
        function_type.ok_or_else(|| error!(Status::BadModule, "tag {tag} has no type"))?;
    if values.len() != function_type.parameters as usize {
        return Err(error!(
            Status::TypeMismatch,
            "{} values for a tag with {}",
            values.len(),
            function_type.parameters
        ));
    }
    for (index, (wanted, value)) in image.parameters(&function_type).zip(values).enumerate() {
        if value.r#type != u32::from(wanted.number()) {
            return Err(error!(
                Status::TypeMismatch,
                "value {index} has type number {}, the tag's is {}",
                value.r#type,
                wanted.number()
            ));
        }
        check_value(inner, wanted, value)?;
    }
    let types = image.parameters(&function_type);
    let bits = values
        .iter()
        .zip(types)
        .map(|(value, wanted)| narrow(wanted, value.bits()));
    match exception::make(block, inner, tag, bits) {
        Ok(reference) => send(block, inner, reference),
        Err(code) => Err(refuse(block, code)),
    }
}

/// Sends an exception of the arena to the guest's handlers, or ends the guest with it.
pub(crate) fn send(block: &ControlBlock, inner: &Inner, reference: u64) -> Result<()> {
    match exception::throw(block, inner, reference) {
        Ok(()) => Ok(()),
        Err(Failure::Uncaught(reference)) => {
            block.ask(Request::Uncaught(reference));
            Ok(())
        }
        Err(Failure::Trap(code)) => Err(refuse(block, code)),
    }
}

/// Ends the guest with a trap instead.
fn refuse(block: &ControlBlock, code: TrapCode) -> Error {
    block.ask(Request::Trap(u32::from(code.number())));
    error!(Status::Limit, "the guest traps: {}", code.message())
}
