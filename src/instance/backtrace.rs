//! Where a guest was when it stopped, read from its stack afterwards.
//!
//! Guest functions keep frame pointers, so the stack is a list: each frame holds the address of the next outer
//! one and the return address into it. The walk trusts nothing it reads: addresses must lie on the slot's stack,
//! ascend, and be aligned; it ends at the first that does not.
//!
//! Valid until the next entry, since that reuses the stack.

use super::outcome::{NO_IMPORT, Record, latest};
use super::{Handle, Inner, live, uncaught};
use crate::abi::{
    LUCET_NOT_RUN, LUCET_PREEMPTED, LUCET_RETURNED, LUCET_STOP_CPU, LUCET_STOP_DEADLINE,
    LUCET_STOP_EXIT, LUCET_STOP_HOST, LUCET_STOP_KILL, LUCET_STOP_NESTED, LUCET_SUSPENDED,
    LUCET_TERMINATED, LUCET_TRAPPED, lucet_frame,
};
use crate::control::{ControlBlock, state};
use crate::error::{Error, Result, Status, error};
use lucet_format::contract::RESERVATION;
use lucet_format::image::records::{self, CodeKind, ExternKind};
use lucet_format::trap::TrapCode;
use std::fmt::{self, Write};

/// The most frames that are kept.
const DEPTH: usize = 64;

/// A place in a guest's code.
#[derive(Clone, Copy, Debug)]
struct Place {
    function: u32,
    wasm_offset: Option<u32>,
}

/// Calls `visit` for each guest frame, innermost first, until it says no.
fn walk(block: &ControlBlock, inner: &Inner, mut visit: impl FnMut(Place) -> bool) {
    let trap = block.trap.get();
    let stopped = !matches!(latest(block, inner).kind, LUCET_NOT_RUN | LUCET_RETURNED);
    if trap.pc == 0 || !stopped {
        return;
    }
    // A return address is behind the call; the instruction that trapped is where it is.
    let exact = trap.signal != 0;
    let first = if exact { trap.pc } else { trap.pc - 1 };
    let mut going = places(block, inner, first).is_none_or(|mut places| places.all(&mut visit));
    let (mut frame, mut below) = (trap.frame, 0);
    for _ in 0..4 * DEPTH {
        let on_stack = frame > below
            && frame >= block.stack_low.get()
            && frame <= block.stack_high.get().saturating_sub(16);
        if !going || !on_stack || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: the address is on the slot's stack, with 16 bytes above it, and the guest does not run.
        let (next, back) = unsafe { (*(frame as *const usize), *((frame + 8) as *const usize)) };
        going = places(block, inner, back.wrapping_sub(1))
            .is_none_or(|mut places| places.all(&mut visit));
        (below, frame) = (frame, next);
    }
}

/// The functions that an address belongs to: several where some are in place of calls, innermost first.
fn places<'i>(
    block: &ControlBlock,
    inner: &'i Inner,
    pc: usize,
) -> Option<impl Iterator<Item = Place> + use<'i>> {
    let text_offset = u32::try_from(pc.checked_sub(block.text.get())?).ok()?;
    let range = inner.image().code_at(text_offset)?;
    (range.kind == CodeKind::Function as u32).then(|| {
        let positions = inner.module.code.positions();
        let here = positions.is_none().then_some((range.index, None));
        let places = positions.map(|image| image.places_at(text_offset, range.index));
        let places = places.into_iter().flatten().chain(here);
        places.map(|(function, wasm_offset)| Place {
            function,
            wasm_offset,
        })
    })
}

fn name(inner: &Inner, function: u32) -> &str {
    let Some(image) = inner.module.code.positions() else {
        return "";
    };
    image
        .function(function)
        .map_or("", |function| image.text(function.name))
}

/// The frames of the guest where it trapped or was terminated, innermost first; none otherwise.
///
/// # Errors
///
/// `Running`, `Stale`, `WrongProcess`, `NoMemory`.
pub fn backtrace(handle: Handle) -> Result<(*const lucet_frame, usize)> {
    let (block, inner) = live(handle)?;
    if state::is_running(block.state()) {
        return Err(error!(Status::Running, "the instance is running"));
    }
    // SAFETY: the owner of the instance alone uses its frames, and is here.
    let frames = unsafe { &mut *inner.frames.get() };
    frames.clear();
    frames
        .try_reserve(DEPTH)
        .map_err(|_| Error::no_memory("a backtrace"))?;
    walk(block, inner, |place| {
        let name = name(inner, place.function);
        frames.push(lucet_frame {
            name: if name.is_empty() {
                std::ptr::null()
            } else {
                name.as_ptr().cast()
            },
            name_length: name.len(),
            function: place.function,
            reserved: 0,
            wasm_offset: place.wasm_offset.map_or(u64::MAX, u64::from),
        });
        frames.len() < DEPTH
    });
    Ok((frames.as_ptr(), frames.len()))
}

/// Writes the latest outcome as one line without control characters.
///
/// # Errors
///
/// `Stale`, `WrongProcess`. A full `out` is not an error: the line ends there.
pub fn describe(handle: Handle, out: &mut dyn Write) -> Result<()> {
    let (block, inner) = live(handle)?;
    // The writer of the C API cuts; nothing else can fail.
    let _ = line(block, inner, latest(block, inner), out);
    Ok(())
}

fn line(
    block: &ControlBlock,
    inner: &'static Inner,
    outcome: Record,
    out: &mut dyn Write,
) -> fmt::Result {
    match outcome.kind {
        LUCET_NOT_RUN => out.write_str("not run"),
        LUCET_RETURNED => write!(out, "returned {} values", outcome.values),
        LUCET_TRAPPED => {
            let trap = TrapCode::from_number(outcome.detail);
            write!(
                out,
                "trapped: {}",
                trap.map_or("unknown trap", TrapCode::message)
            )?;
            address(block, inner, trap, out)?;
            tag(block, inner, &outcome, out)?;
            all_places(block, inner, out)
        }
        LUCET_TERMINATED => {
            match outcome.detail {
                LUCET_STOP_HOST => write!(out, "terminated by the host, reason {}", outcome.token)?,
                LUCET_STOP_EXIT => write!(out, "exited with status {}", outcome.token)?,
                LUCET_STOP_KILL => write!(out, "killed, reason {}", outcome.token)?,
                LUCET_STOP_DEADLINE => out.write_str("stopped: its deadline has passed")?,
                LUCET_STOP_CPU => out.write_str("stopped: its CPU time is used up")?,
                LUCET_STOP_NESTED => {
                    out.write_str("stopped: a callback has outlasted its limit")?;
                }
                detail => write!(out, "terminated ({detail}), reason {}", outcome.token)?,
            }
            all_places(block, inner, out)
        }
        LUCET_SUSPENDED => {
            write!(out, "suspended, token {}", outcome.token)?;
            all_places(block, inner, out)
        }
        LUCET_PREEMPTED => {
            out.write_str("preempted")?;
            all_places(block, inner, out)
        }
        kind => write!(out, "outcome {kind}"),
    }
}

fn address(
    block: &ControlBlock,
    inner: &Inner,
    trap: Option<TrapCode>,
    out: &mut dyn Write,
) -> fmt::Result {
    let record = block.trap.get();
    let image = inner.image();
    // A checked access that failed was sent to the trap address: where it wanted to go is not known. That can be told where
    // only memory 0 is accessed, and only large offsets are checked.
    let guarded = image.header().contract.reservation != 0 && image.memories().len() == 1;
    let checked = record.address == block.memory_low.get() + RESERVATION as usize;
    let in_memory = (block.memory_low.get()..block.memory_high.get()).contains(&record.address);
    if trap == Some(TrapCode::Memory) && record.signal != 0 && in_memory && guarded && !checked {
        return write!(
            out,
            " at address {:#x}",
            record.address - block.memory_low.get()
        );
    }
    Ok(())
}

/// The tag of the exception that nobody has caught.
fn tag(
    block: &ControlBlock,
    inner: &'static Inner,
    outcome: &Record,
    out: &mut dyn Write,
) -> fmt::Result {
    let Some(index) = uncaught::tag_of(block, inner, outcome) else {
        return Ok(());
    };
    match uncaught::name(inner, index) {
        Some(name) => {
            out.write_char(' ')?;
            quoted(name, out)
        }
        None => write!(out, " with tag {index}"),
    }
}

fn all_places(block: &ControlBlock, inner: &Inner, out: &mut dyn Write) -> fmt::Result {
    let mut count = import(inner, out)?;
    let mut written = Ok(());
    walk(block, inner, |place| {
        written = written.and_then(|()| {
            out.write_str(if count == 0 { " in " } else { ", called by " })?;
            function(inner, place, out)
        });
        count += 1;
        written.is_ok() && count < 8
    });
    written
}

/// The host function that stopped the guest, if one did. Answers how many names that were.
fn import(inner: &Inner, out: &mut dyn Write) -> std::result::Result<u32, fmt::Error> {
    let wanted = inner.outcome.get().import;
    let image = inner.image();
    let is_it = |import: &records::Import| {
        import.kind == ExternKind::Function as u32 && import.index == wanted
    };
    let found = image
        .imports()
        .iter()
        .find(is_it)
        .filter(|_| wanted != NO_IMPORT);
    let Some(import) = found else { return Ok(0) };
    out.write_str(" in host function ")?;
    quoted(image.text(import.module), out)?;
    out.write_char(' ')?;
    quoted(image.text(import.name), out)?;
    Ok(1)
}

fn function(inner: &Inner, place: Place, out: &mut dyn Write) -> fmt::Result {
    let name = name(inner, place.function);
    if name.is_empty() {
        write!(out, "function {}", place.function)?;
    } else {
        quoted(name, out)?;
    }
    match place.wasm_offset {
        Some(offset) => write!(out, " (wasm offset {offset:#x})"),
        None => Ok(()),
    }
}

/// Names come from the guest: nothing of them may end the line or look like something else.
fn quoted(name: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    for character in name.chars().take(128) {
        match character {
            '"' => out.write_str("\\\"")?,
            ' '..='~' => out.write_char(character)?,
            _ => write!(out, "\\u{{{:x}}}", character as u32)?,
        }
    }
    out.write_char('"')
}
