//! What a region is made with.

use super::layout::{Layout, MOST_MEMORY, Sizes};
use crate::error::{Result, Status, error};
use crate::module::CodeImage;
use crate::signal;
use lucet_format::image::Image;
use lucet_format::image::records::{FLAG_IMPORTED, FLAG_STACK_CHECKED};
use std::ffi::{c_char, c_int, c_void};

/// What signal handlers of the host's are expected to need at most, besides the kernel's frame.
const HANDLER_ROOM: u64 = 16 << 10;
/// What must be kept of stacks that have no guard: trampolines and small leaf functions of a guest do not look.
const LEAST_SPARED: u64 = 1 << 10;
/// What is left for the guest itself of a stack that [`RegionConfig::fit`] has made larger.
const GUEST_STACK: u64 = 64 << 10;

/// A log callback: data, level, text and its length.
pub type Log =
    unsafe extern "C" fn(data: *mut c_void, level: c_int, text: *const c_char, length: usize);

/// Sizes and options of a region; those of memory are for one instance, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct RegionConfig {
    /// Slots.
    pub instances: u32,
    /// How many callbacks into a guest may be nested.
    pub callback_depth: u32,
    /// Elements of all tables.
    pub table_elements: u64,
    /// The most of each linear memory.
    pub memory_bytes: u64,
    /// The most linear memories.
    pub memories: u32,
    /// The guest's stack.
    pub stack_bytes: u64,
    /// State below vmctx.
    pub state_bytes: u64,
    /// How much of a slot may stay resident when idle.
    pub keep_resident_bytes: u64,
    /// How much memory all slots may keep for their next guests, together; 0: no limit.
    pub budget_bytes: u64,
    /// Whether slots have no guards: only guests that check everything by themselves fit in.
    pub compact: bool,
    /// Whether everything that a new guest finds is compared with what it should find.
    pub verify: bool,
    /// What a leaf host function finds on the guest's stack at least.
    pub leaf_stack_bytes: u64,
    /// What must be left of the host's stack for a callback into the guest.
    pub host_stack_bytes: u64,
    /// What guests whose code checks its stack leave of it for signal handlers.
    pub handler_stack_bytes: u64,
    /// The most parameters or results of one call.
    pub values: u32,
    /// Where log lines go.
    pub log: Option<Log>,
    /// The callback's data.
    pub log_data: *mut c_void,
}

impl Default for RegionConfig {
    fn default() -> Self {
        RegionConfig {
            instances: 64,
            callback_depth: 8,
            table_elements: 10_000,
            memory_bytes: 16 << 20,
            memories: 1,
            stack_bytes: 128 << 10,
            state_bytes: 16 << 10,
            keep_resident_bytes: 1 << 20,
            budget_bytes: 0,
            compact: false,
            verify: false,
            leaf_stack_bytes: 16 << 10,
            host_stack_bytes: 32 << 10,
            handler_stack_bytes: signal::frame_bytes() as u64 + HANDLER_ROOM,
            values: 32,
            log: None,
            log_data: std::ptr::null_mut(),
        }
    }
}

impl RegionConfig {
    /// The sizes that a slot's layout follows from.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            instances: self.instances,
            memory: self.memory_bytes,
            memories: self.memories,
            stack: self.stack_bytes,
            state: self.state_bytes,
            table_elements: self.table_elements,
            compact: self.compact,
        }
    }

    /// That a region can be made, as far as sizes tell. Looks at nothing else of the process.
    ///
    /// # Errors
    ///
    /// `Limit`, naming what is too large or too small.
    pub fn possible(&self) -> Result<()> {
        Layout::new(&self.sizes())?;
        if self.values == 0 || self.values > 4096 {
            return Err(error!(
                Status::Limit,
                "the number of values is {}, allowed are 1 to 4096", self.values
            ));
        }
        if self.leaf_stack_bytes >= self.stack_bytes {
            return Err(error!(
                Status::Limit,
                "leaf functions want {} bytes of a stack of {}",
                self.leaf_stack_bytes,
                self.stack_bytes
            ));
        }
        Ok(())
    }

    /// That the rest makes sense: what is not about sizes.
    pub fn check(&self) -> Result<()> {
        if self.compact {
            return self.check_compact();
        }
        Ok(())
    }

    /// That nothing writes below the stacks of compact slots, where the next slot begins.
    fn check_compact(&self) -> Result<()> {
        if self.handler_stack_bytes < LEAST_SPARED {
            return Err(error!(
                Status::Limit,
                "the stack kept for signal handlers is {} bytes, compact regions need {LEAST_SPARED}",
                self.handler_stack_bytes
            ));
        }
        if let Some(signal) = signal::handler_on_guest_stacks() {
            return Err(error!(
                Status::BadState,
                "the handler of signal {signal} has no SA_ONSTACK: on a guest's stack it could write over another slot of a compact \
                 region; see LUCET_SIGNALS_ONSTACK"
            ));
        }
        Ok(())
    }

    /// Bytes of a guest's stack that are kept for signal handlers.
    pub fn spared_stack(&self, code: &CodeImage) -> u64 {
        if code.image().header().flags & FLAG_STACK_CHECKED == 0 {
            return 0;
        }
        self.handler_stack_bytes
    }

    /// Raises what is too small for instances of a module.
    ///
    /// # Errors
    ///
    /// `Incompatible` when no region can be large enough.
    pub fn fit(&mut self, code: &CodeImage) -> Result<()> {
        let image = code.image();
        let contract = &image.header().contract;
        let memory = largest_memory(&image);
        if memory > MOST_MEMORY {
            return Err(error!(
                Status::Incompatible,
                "the module wants {memory} bytes of memory at once"
            ));
        }
        if self.compact && (contract.reservation != 0 || contract.stack_guard != 0) {
            return Err(error!(
                Status::Incompatible,
                "the module relies on guards, compact regions have none: compile it with lucetc --memory=bounds"
            ));
        }
        if image.header().flags & FLAG_STACK_CHECKED != 0 {
            let spared = self
                .handler_stack_bytes
                .saturating_add(self.leaf_stack_bytes)
                .saturating_add(GUEST_STACK);
            self.stack_bytes = self.stack_bytes.max(spared);
        }
        self.memory_bytes = self.memory_bytes.max(memory);
        // Parsing has counted them.
        self.memories = self
            .memories
            .max(contract.further_memories.saturating_add(1));
        self.state_bytes = self.state_bytes.max(u64::from(contract.state_bytes));
        self.table_elements = self.table_elements.max(contract.table_elements);
        self.values = self.values.max(contract.max_values);
        Ok(())
    }
}

/// What the largest of the memories that a module defines has at first.
pub(super) fn largest_memory(image: &Image<'_>) -> u64 {
    let memories = image.memories();
    let defined = memories
        .iter()
        .filter(|memory| memory.flags & FLAG_IMPORTED == 0);
    defined
        .map(|memory| memory.minimum_bytes())
        .max()
        .unwrap_or(0)
}
