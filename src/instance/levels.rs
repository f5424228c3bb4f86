//! What a callback into the guest puts aside of the call out that it is made in, and what is put back when it is over: by who has made it,
//! or by the host function that has caught a jump out of it (`lucet_instance_abandon`), when the frames that knew are gone.
//!
//! Invariant: there is a level for each entry that is nested, the innermost last.

use crate::control::ControlBlock;
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::sync::atomic::Ordering;

/// A call out that goes on while the guest is called back.
#[derive(Clone, Copy)]
struct Level {
    host_sp: usize,
    guest_sp: usize,
    call_row: u32,
    call_results: usize,
    entry_sp: usize,
    entry_frame: usize,
    bridge: *mut ControlBlock,
    bridges: u32,
}

/// Those of an instance.
#[derive(Default)]
pub struct Levels(RefCell<Vec<Level>>);

impl Levels {
    /// A callback begins.
    ///
    /// # Errors
    ///
    /// `NoMemory`: nothing has changed.
    pub fn begin(&self, block: &ControlBlock) -> Result<()> {
        let no_memory = || Error::no_memory("a callback");
        let mut levels = self.0.try_borrow_mut().map_err(|_| no_memory())?;
        levels.try_reserve(1).map_err(|_| no_memory())?;
        levels.push(Level {
            host_sp: block.host_sp(),
            guest_sp: block.guest_sp.get(),
            call_row: block.call_row.get(),
            call_results: block.call_results.get(),
            entry_sp: block.entry_sp.get(),
            entry_frame: block.entry_frame.get(),
            bridge: block.bridge.swap(std::ptr::null_mut(), Ordering::AcqRel),
            bridges: block.bridges.get(),
        });
        if block.nested.get() == 0 {
            block.outermost_sp.set(block.host_sp());
        }
        block.nested.set(block.nested.get() + 1);
        Ok(())
    }

    /// The innermost callback is over. False: there is none.
    pub fn end(&self, block: &ControlBlock) -> bool {
        let level = self.0.try_borrow_mut().ok().and_then(|mut all| all.pop());
        let Some(level) = level else {
            return false;
        };
        block.nested.set(block.nested.get() - 1);
        block.entry_sp.set(level.entry_sp);
        block.entry_frame.set(level.entry_frame);
        block.host_sp.store(level.host_sp, Ordering::Relaxed);
        block.guest_sp.set(level.guest_sp);
        block.call_row.set(level.call_row);
        block.call_results.set(level.call_results);
        block.bridges.set(level.bridges);
        block.bridge.store(level.bridge, Ordering::Release);
        true
    }

    /// Whether linked instances have been called since the callback that was made with the host's stack above `stack`.
    pub fn are_linked(&self, block: &ControlBlock, stack: usize) -> bool {
        let Ok(levels) = self.0.try_borrow() else {
            return true;
        };
        let made = levels.iter().rev().find(|level| level.host_sp >= stack);
        made.is_none_or(|level| level.bridges != block.bridges.get())
    }

    /// The run is over, and all callbacks with it.
    pub fn forget(&self) {
        if let Ok(mut levels) = self.0.try_borrow_mut() {
            levels.clear();
        }
    }
}
