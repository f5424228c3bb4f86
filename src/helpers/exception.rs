//! Helpers for exceptions. Throwing changes where the guest goes on, see [`crate::instance::exception`].

use super::{checked, trap};
use crate::control::{ControlBlock, Request};
use crate::instance::Inner;
use crate::instance::exception::{self, Failure};
use lucet_format::trap::TrapCode;

pub(super) unsafe extern "C" fn throw(block: *const ControlBlock, tag: u32, values: usize) {
    checked(block, TrapCode::Resource, |block, inner| {
        let count = exception::carried(inner, tag);
        let cells = exception::cells(block, values, count)?;
        // SAFETY: `cells` has checked that as many lie on the guest's stack, where compiled code has stored the values.
        let value = |index| u128::from_le_bytes(unsafe { *cells.add(index) });
        match exception::make(block, inner, tag, (0..count).map(value)) {
            Ok(exception) => send(block, inner, exception),
            Err(code) => trap(block, code),
        }
        Some(())
    });
}

pub(super) unsafe extern "C" fn throw_ref(block: *const ControlBlock, exception: u64) {
    checked(block, TrapCode::Resource, |block, inner| {
        send(block, inner, exception);
        Some(())
    });
}

fn send(block: &ControlBlock, inner: &Inner, exception: u64) {
    match exception::throw(block, inner, exception) {
        Ok(()) => {}
        Err(Failure::Uncaught(exception)) => block.ask(Request::Uncaught(exception)),
        Err(Failure::Trap(code)) => trap(block, code),
    }
}

pub(super) unsafe extern "C" fn catch(block: *const ControlBlock, values: usize, keep: u32) -> u64 {
    let mut caught = 0;
    checked(block, TrapCode::Resource, |block, inner| {
        let mut stored = Some(());
        caught = exception::catch(block, inner, keep != 0, |found| {
            // A handler of all exceptions takes no values.
            if values == 0 {
                return;
            }
            let Some(cells) = exception::cells(block, values, found.len()) else {
                stored = None;
                return;
            };
            for (index, value) in found.iter().enumerate() {
                // SAFETY: `cells` has checked that as many lie on the guest's stack.
                unsafe { cells.add(index).write(value.to_le_bytes()) };
            }
        })?;
        stored
    });
    caught
}
