//! Making idle slots ready before they are needed: mapped, sealed, and what guests will write in memory.

use super::{Region, budget, seal, slot};
use crate::error::{Result, Status, error};
use crate::module::{InitialMemory, Link, Module, unlinked};
use lucet_format::PAGE_SIZE;
use std::sync::atomic::Ordering;

/// Bytes at the top of a stack that every guest uses.
const STACK_TOP: u64 = 2 * PAGE_SIZE;

impl Region {
    /// Makes up to `count` free slots ready for instances of a module: those of its former instances and unused ones first. What guests
    /// of the module write is known once some have run.
    ///
    /// # Errors
    ///
    /// `Unlinked`, `Incompatible`, `WrongProcess`; `Limit`: the region's budget is used up; `NoMemory`, `System`. Slots that are
    /// ready by then stay so.
    pub fn prefault(&self, module: &Module, count: u32) -> Result<()> {
        self.check_process()?;
        let link = module.link.as_ref().ok_or_else(unlinked)?;
        self.admits(&module.code)?;
        let initial = link.initial(&module.code)?;
        let mut left = count;
        for strangers in [false, true] {
            let mut place = self.free.gathered().len();
            while left > 0 && place > 0 {
                place -= 1;
                if self.prefault_slot(place, (link, initial), strangers)? {
                    left -= 1;
                }
            }
        }
        Ok(())
    }

    /// False: this slot is not to be touched. The lock is held for one slot, so that others do not find the region full.
    fn prefault_slot(
        &self,
        place: usize,
        (link, initial): (&Link, &InitialMemory),
        strangers: bool,
    ) -> Result<bool> {
        let mut free = self.free.gathered();
        let found = free
            .at(place)
            .and_then(|slot| Some((slot, self.block(slot)?)));
        let Some((slot, block)) = found else {
            return Ok(false);
        };
        let tenant = block.tenant.load(Ordering::Relaxed);
        if strangers == (tenant == 0 || tenant == initial.id) {
            return Ok(false);
        }
        let state_bytes = link.state_template.len();
        let table_bytes = link.table_elements_at_first() as usize * size_of::<u64>();
        let stack = STACK_TOP.min(self.layout.sizes.stack);
        let memory = seal::expected(self, block, initial).pages() * PAGE_SIZE;
        let kept = stack.max(block.stack_kept.get());
        let mut wanted = memory + kept + slot::used_bytes(state_bytes as u32, table_bytes);
        if tenant == initial.id {
            wanted = wanted.max(block.kept.load(Ordering::Relaxed));
        }
        if !budget::fits(self, block, wanted) {
            return Err(error!(
                Status::Limit,
                "{wanted} bytes for one more slot exceed the region's budget of {}",
                self.config.budget_bytes
            ));
        }
        block.slot.set(slot);
        slot::prepare(self, block)?;
        seal::occupy(self, block, initial)?;
        free.warmed(place);
        // SAFETY: the slot is free, and stays so while the lock is held.
        unsafe { seal::warm(self, block, initial) }?;
        let touched = [
            (block.vmctx.get() - state_bytes, state_bytes),
            (slot::tables(self, block), table_bytes),
            (block.stack_high.get() - stack as usize, stack as usize),
        ];
        for (at, length) in touched {
            // SAFETY: parts of the slot that are accessible since `prepare`, and hold nothing that is needed: the slot is free.
            unsafe { std::ptr::write_bytes(at as *mut u8, 0, length) };
        }
        Ok(true)
    }
}
