//! Bulk operations can be stopped in the middle: they are done in pieces, with a look at the stop word after each.
//!
//! ```text
//!   memory.fill(to, byte, length)
//!     piece, look, piece, look: the guest is to be left
//!     again = memory.fill(to + done, byte, length - done)       noted in the control block
//!   preempted: the registers of a guest that is about to make that call are saved, so resume goes on with it
//!   ended for good: the rest is never done
//! ```
//!
//! Nothing but the bytes or elements themselves shows how far an operation is, so what others can see is what they see of a loop in
//! guest code: while the guest is preempted, memory that is partly written.
//!
//! Invariant: all checks of a whole operation come before its first piece, and hold for every rest of it, since memories and tables do
//! not shrink.

use crate::control::{Again, ControlBlock, stop};
use lucet_format::runtime::Helper;

/// Bytes of a piece: a few microseconds, or twenty when none of its pages is there yet.
const PIECE: u64 = 64 << 10;

/// Does `length` units of `unit` bytes by calls of `piece(done, length)`, and answers how many are left because the guest is to be left.
#[inline]
pub(super) fn in_pieces(
    block: &ControlBlock,
    length: u64,
    unit: u64,
    mut piece: impl FnMut(u64, u64),
) -> u64 {
    let most = PIECE / unit;
    let mut done = 0;
    loop {
        let now = (length - done).min(most);
        piece(done, now);
        done += now;
        if done == length || block.stops() & (stop::FINAL | stop::SLICE) != 0 {
            return length - done;
        }
    }
}

/// As [`in_pieces`], for copies: the pieces begin `at`, from the end if the target may overlap the source from above, so that nothing is
/// overwritten before it is read. The rest is then at the beginning.
#[inline]
pub(super) fn copy_in_pieces(
    block: &ControlBlock,
    upwards: bool,
    length: u64,
    unit: u64,
    mut copy: impl FnMut(usize, usize),
) -> u64 {
    in_pieces(block, length, unit, |done, now| {
        let at = if upwards { length - done - now } else { done };
        copy(at as usize, now as usize);
    })
}

/// Notes the rest of an operation.
#[cold]
pub(super) fn call_again(block: &ControlBlock, helper: Helper, arguments: [u64; 5]) {
    block.again.set(Some(Again {
        helper: helper as u32,
        arguments,
    }));
}
