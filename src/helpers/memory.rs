//! Helpers for linear memories:
//! <https://webassembly.github.io/spec/core/exec/instructions.html#memory-instructions>.

use super::pieces::{call_again, copy_in_pieces, in_pieces};
use super::{checked, drop_segment, is_dropped, trap};
use crate::control::{ControlBlock, stop};
use crate::instance::Inner;
use crate::instance::memory::{self, Linear};
use crate::utf8::{self, Text};
use lucet_format::image::records::SegmentMode;
use lucet_format::runtime::Helper;
use lucet_format::trap::TrapCode;

/// The address of a range of a memory; `None`: out of bounds.
fn range(
    block: &'static ControlBlock,
    inner: &Inner,
    index: u32,
    from: u64,
    length: u64,
) -> Option<*mut u8> {
    let memory = Linear::of(block, inner, index)?;
    Some(memory.range(from, length)? as *mut u8)
}

/// As [`range`], to write there.
fn target(
    block: &'static ControlBlock,
    inner: &Inner,
    index: u32,
    to: u64,
    length: u64,
) -> Option<Target> {
    let memory = Linear::of(block, inner, index)?;
    let at = memory.range(to, length)? as *mut u8;
    if memory.open(to, length) {
        return Some(Target::At(at));
    }
    trap(block, TrapCode::Resource);
    Some(Target::Refused)
}

/// Where to write.
enum Target {
    At(*mut u8),
    /// The kernel has no memory for it; the guest is being stopped.
    Refused,
}

pub(super) unsafe extern "C" fn grow(block: *const ControlBlock, index: u32, pages: u64) -> i64 {
    let mut old = -1;
    checked(block, TrapCode::Memory, |block, inner| {
        let grown = memory::grow_by(block, inner, index, pages);
        old = grown.and_then(|old| i64::try_from(old).ok()).unwrap_or(-1);
        Some(())
    });
    old
}

pub(super) unsafe extern "C" fn is_text(
    block: *const ControlBlock,
    address: u64,
    length: u64,
) -> u64 {
    let mut good = false;
    checked(block, TrapCode::Memory, |block, inner| {
        let at = range(block, inner, 0, address, length)?;
        // SAFETY: the range lies in the memory of a guest that has called out, so nobody writes it meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts(at, length as usize) };
        match utf8::look(bytes, || block.stops() & (stop::FINAL | stop::SLICE) != 0) {
            Text::Good => good = true,
            Text::Bad => {}
            Text::Left(left) => {
                let rest = address + length - left as u64;
                call_again(block, Helper::IsText, [rest, left as u64, 0, 0, 0]);
            }
        }
        Some(())
    });
    u64::from(good)
}

pub(super) unsafe extern "C" fn open(block: *const ControlBlock, address: u64, length: u64) {
    checked(block, TrapCode::Resource, |block, _| {
        memory::open_for_code(block, address, length).then_some(())
    });
}

pub(super) unsafe extern "C" fn copy(
    block: *const ControlBlock,
    to_memory: u32,
    from_memory: u32,
    to: u64,
    from: u64,
    length: u64,
) {
    checked(block, TrapCode::Memory, |block, inner| {
        let source = range(block, inner, from_memory, from, length)?;
        let Target::At(target) = target(block, inner, to_memory, to, length)? else {
            return Some(());
        };
        let upwards = target > source;
        let left = copy_in_pieces(block, upwards, length, 1, |at, bytes| {
            // SAFETY: both ranges lie within accessible memory of the instance; `copy` allows overlap.
            unsafe { target.add(at).copy_from(source.add(at), bytes) };
        });
        if left > 0 {
            let done = if upwards { 0 } else { length - left };
            let memories = [u64::from(to_memory), u64::from(from_memory)];
            call_again(
                block,
                Helper::MemoryCopy,
                [memories[0], memories[1], to + done, from + done, left],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn fill(
    block: *const ControlBlock,
    index: u32,
    to: u64,
    byte: u32,
    length: u64,
) {
    checked(block, TrapCode::Memory, |block, inner| {
        let Target::At(target) = target(block, inner, index, to, length)? else {
            return Some(());
        };
        let left = in_pieces(block, length, 1, |at, bytes| {
            // SAFETY: the range lies within accessible memory of the instance.
            unsafe {
                target
                    .add(at as usize)
                    .write_bytes(byte as u8, bytes as usize)
            };
        });
        if left > 0 {
            let rest = to + length - left;
            call_again(
                block,
                Helper::MemoryFill,
                [u64::from(index), rest, u64::from(byte), left, 0],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn init(
    block: *const ControlBlock,
    data: u32,
    index: u32,
    to: u64,
    from: u64,
    length: u64,
) {
    checked(block, TrapCode::Memory, |block, inner| {
        let image = inner.image();
        let segment = image.data_segments().get(data as usize)?;
        let usable = segment.mode == SegmentMode::Passive as u32
            && !is_dropped(block, segment.dropped_offset);
        let bytes = if usable {
            image.bytes(segment.bytes)
        } else {
            &[]
        };
        let end = from.checked_add(length)?;
        let source = bytes.get(usize::try_from(from).ok()?..usize::try_from(end).ok()?)?;
        let Target::At(target) = target(block, inner, index, to, length)? else {
            return Some(());
        };
        let left = copy_in_pieces(block, false, length, 1, |at, bytes| {
            // SAFETY: the target lies within accessible memory, the source in the module's file, which is mapped elsewhere.
            unsafe {
                target
                    .add(at)
                    .copy_from_nonoverlapping(source.as_ptr().add(at), bytes)
            };
        });
        if left > 0 {
            let done = length - left;
            call_again(
                block,
                Helper::MemoryInit,
                [
                    u64::from(data),
                    u64::from(index),
                    to + done,
                    from + done,
                    left,
                ],
            );
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn drop_data(block: *const ControlBlock, data: u32) {
    checked(block, TrapCode::Memory, |block, inner| {
        drop_segment(
            block,
            inner
                .image()
                .data_segments()
                .get(data as usize)?
                .dropped_offset,
        );
        Some(())
    });
}
