//! Exceptions of a guest: how they find their handler, and what the host sees of those that do not.
//!
//! A guest throws through a helper, a host function by `lucet_call_throw`. Either way the guest has called out, and what `host_call`
//! or `helper_call` have left at `guest_sp` is where it would go on. Throwing replaces that place:
//!
//! ```text
//!   guest's stack, growing down              before                          after
//!
//!     frame of the function            | saved rbp, return address |    (the same)
//!     with the handler                 |  locals                   |
//!                                      +- - - - - - - - - - - - - -+ <- stack pointer that the handler expects
//!     what it has called, and so on    | return address            |    handler
//!     down to the call out             | saved rbp                 |    frame pointer of the function
//!                                      |  ...                      |    (rbx) <- guest_sp
//!                                      | return address            |
//!                                      | rbp                       |
//!                                      | rbx             guest_sp->|
//! ```
//!
//! The trampoline then returns into the handler as it would have into the caller; whatever may happen at the return of a call out
//! (a kill, the end of a slice) happens there as ever. Nothing is unwound before a handler has been found: if there is
//! none, the guest traps where it has thrown.
//!
//! The walk ends where the entry begins: an exception never crosses a host function. It trusts nothing it reads, as in
//! [`super::backtrace`].

use super::table::Elements;
use super::{Inner, read_state};
use crate::control::ControlBlock;
use crate::error::{Result, Status, error};
use crate::exception::TagId;
use lucet_format::image::NONE;
use lucet_format::image::records::FLAG_IMPORTED;
use lucet_format::runtime::RESULT_STRIDE;
use lucet_format::trap::TrapCode;
use lucet_format::value::ValueType;
use std::sync::atomic::Ordering;

/// Bytes that a guest's exceptions may take when its limits say nothing.
pub const DEFAULT_BYTES: u64 = 64 << 10;

/// What a trampoline leaves on the guest's stack: rbx, rbp, return address.
const LEFT: usize = 24;

/// Which tag of the module is which in the process; `None`: there is no such tag.
pub(super) fn identity(block: &ControlBlock, inner: &Inner, index: u32) -> Option<TagId> {
    let tag = inner.image().tags().get(index as usize)?;
    if tag.flags & FLAG_IMPORTED != 0 {
        return inner
            .link()
            .ok()?
            .tags
            .get(index as usize)
            .map(|tag| tag.id);
    }
    let handle = block.handle.load(Ordering::Relaxed);
    Some(TagId::of_guest(handle, index))
}

/// Where a handler goes on.
struct Landing {
    code: usize,
    frame: usize,
    stack: usize,
}

/// The innermost handler for a tag, for what is thrown where the guest has called out.
fn landing(block: &ControlBlock, inner: &Inner, tag: TagId) -> Option<Landing> {
    let image = inner.image();
    let text = block.text.get();
    let left = block.guest_sp.get();
    // SAFETY: the trampoline has stored these three words on the guest's stack, and the guest has left it.
    let [_, mut frame, mut back] = unsafe { *(left as *const [usize; 3]) };
    let mut below = left;
    loop {
        // Every frame of the entry is of the module's text; what called the first one is not.
        let offset = u32::try_from(back.checked_sub(text)?).ok()?;
        image.code_at(offset.checked_sub(1)?)?;
        let on_stack = frame > below && frame <= block.stack_high.get().saturating_sub(16);
        if !on_stack || !frame.is_multiple_of(16) {
            return None;
        }
        if let Some((site, mut handlers)) = image.handlers_at(offset)
            && let Some(handler) = handlers.find(|handler| {
                handler.tag == NONE || identity(block, inner, handler.tag) == Some(tag)
            })
            && image.is_in_text(handler.code)
            && site.frame.is_multiple_of(16)
        {
            return Some(Landing {
                code: text + handler.code as usize,
                frame,
                stack: frame.checked_sub(site.frame as usize)?,
            });
        }
        below = frame;
        // SAFETY: the address is on the slot's stack, with 16 bytes above it, and the guest does not run.
        (frame, back) = unsafe { (*(frame as *const usize), *((frame + 8) as *const usize)) };
    }
}

/// Why an exception has not been thrown.
pub(crate) enum Failure {
    /// There is no handler: the exception.
    Uncaught(u64),
    /// The guest traps for another reason.
    Trap(TrapCode),
}

/// Sends an exception of the arena on its way: the guest goes on in a handler when the call out returns.
pub(crate) fn throw(
    block: &ControlBlock,
    inner: &Inner,
    exception: u64,
) -> std::result::Result<(), Failure> {
    let mut arena = inner
        .exceptions
        .try_borrow_mut()
        .map_err(|_| Failure::Trap(TrapCode::Resource))?;
    let tag = arena.get(exception).map(|found| found.tag());
    let tag = tag.ok_or(Failure::Trap(TrapCode::NullReference))?;
    let landing = landing(block, inner, tag).ok_or(Failure::Uncaught(exception))?;
    let at = landing.stack.wrapping_sub(LEFT);
    // What was called may have left the place of its own return address to a tail call, so that the stack in use ends higher.
    if at < block.stack_low.get() || landing.stack > landing.frame {
        return Err(Failure::Trap(TrapCode::Stack));
    }
    // SAFETY: the address is on the slot's stack below a frame that is being returned to; nothing that is there is
    // used any more, since the guest goes on in that frame.
    unsafe { (at as *mut [usize; 3]).write([0, landing.frame, landing.code]) };
    block.guest_sp.set(at);
    arena.throw(exception);
    Ok(())
}

/// Makes an exception of a tag of the module. `values` are as many as the tag has parameters.
pub(crate) fn make(
    block: &ControlBlock,
    inner: &Inner,
    tag: u32,
    values: impl Iterator<Item = u128>,
) -> std::result::Result<u64, TrapCode> {
    let mut arena = inner
        .exceptions
        .try_borrow_mut()
        .map_err(|_| TrapCode::Resource)?;
    let id = identity(block, inner, tag).ok_or(TrapCode::Resource)?;
    let (count, bytes) = (carried(inner, tag), bytes(inner));
    if !arena.has_room(count, bytes) {
        return Err(TrapCode::Exceptions);
    }
    arena
        .make(id, bytes, count, values)
        .map_err(|_| TrapCode::Resource)
}

/// Makes an exception like that of another instance.
pub(crate) fn copy(from: &Inner, reference: u64, to: &Inner) -> std::result::Result<u64, TrapCode> {
    let (source, target) = (from.exceptions.try_borrow(), to.exceptions.try_borrow_mut());
    let (Ok(source), Ok(mut target)) = (source, target) else {
        return Err(TrapCode::Resource);
    };
    let exception = source.get(reference).ok_or(TrapCode::NullReference)?;
    let (values, bytes) = (exception.values(), bytes(to));
    if !target.has_room(values.len(), bytes) {
        return Err(TrapCode::Exceptions);
    }
    target
        .make(exception.tag(), bytes, values.len(), values.iter().copied())
        .map_err(|_| TrapCode::Resource)
}

/// How many values exceptions with this tag carry.
pub(crate) fn carried(inner: &Inner, tag: u32) -> usize {
    let image = inner.image();
    let tag = image.tags().get(tag as usize);
    let function_type = tag.and_then(|tag| image.function_types().get(tag.function_type as usize));
    function_type.map_or(0, |function_type| function_type.parameters as usize)
}

/// The exception that is on its way arrives: `take` gets its values. Answers the reference to it; without `keep` it is gone.
pub(crate) fn catch(
    block: &ControlBlock,
    inner: &Inner,
    keep: bool,
    take: impl FnOnce(&[u128]),
) -> Option<u64> {
    let mut arena = inner.exceptions.try_borrow_mut().ok()?;
    let reference = arena.catch(keep, take)?;
    // At the start of a handler no register holds a reference. In a callback, the host function around it may have saved some.
    if arena.is_due(bytes(inner)) && block.nested.get() == 0 {
        let stored = stack_words(block).chain(references(block, inner));
        arena.collect(stored.chain([reference]));
    }
    Some(reference)
}

/// Bytes that exceptions may take.
fn bytes(inner: &Inner) -> u64 {
    match inner.limits.get().exception_bytes {
        0 => DEFAULT_BYTES,
        bytes => bytes,
    }
}

/// Everything on the guest's stack. The guest has called out.
fn stack_words(block: &ControlBlock) -> impl Iterator<Item = u64> {
    let (from, to) = (block.guest_sp.get(), block.stack_high.get());
    (from..to.saturating_sub(7)).step_by(8).map(|address| {
        // SAFETY: the address is aligned and on the slot's stack above the guest's stack pointer, where it is accessible.
        unsafe { *(address as *const u64) }
    })
}

/// The references in globals and tables.
fn references<'a>(block: &'a ControlBlock, inner: &'a Inner) -> impl Iterator<Item = u64> + 'a {
    let image = inner.image();
    let number = u32::from(ValueType::Exnref.number());
    let globals = image
        .globals()
        .iter()
        .filter(move |global| global.value_type == number);
    let globals = globals.map(move |global| {
        // SAFETY: parsing has checked that globals lie within the state.
        unsafe { read_state(block, global.state_offset) }
    });
    let tables = (0u32..).zip(image.tables().iter());
    let tables = tables.filter(move |(_, table)| table.element_type == number);
    let elements = tables.flat_map(move |(index, _)| {
        let elements = Elements::of(block, inner, index);
        let length = elements.as_ref().map_or(0, |elements| elements.length);
        (0..length).filter_map(move |index| elements?.get(index))
    });
    globals.chain(elements)
}

/// The values of cells on the guest's stack; `None` when that is not where they are.
pub(crate) fn cells(block: &ControlBlock, address: usize, count: usize) -> Option<*mut [u8; 16]> {
    let end = address.checked_add(count * RESULT_STRIDE as usize)?;
    let inside = address >= block.guest_sp.get() && end <= block.stack_high.get();
    (count == 0 || inside && address.is_multiple_of(16)).then_some(address as *mut [u8; 16])
}

/// That a reference which the host passes is null or refers to an exception of the instance.
pub(super) fn check(inner: &Inner, reference: u64) -> Result<()> {
    let known = inner
        .exceptions
        .try_borrow()
        .is_ok_and(|arena| arena.get(reference).is_some());
    if reference == 0 || known {
        return Ok(());
    }
    Err(error!(
        Status::BadArgument,
        "this is no reference to an exception of the instance, or the exception is gone"
    ))
}
